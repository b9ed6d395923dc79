"""Symbols, jobs, roll backs, damaged files and the audit log in the admin."""

from ingestion.admin.audit_log import SymbolEventAdmin
from ingestion.admin.damaged_files import DamagedFileAdmin
from ingestion.admin.ingestion_jobs import IngestionJobAdmin
from ingestion.admin.roll_backs import RollBackAdmin
from ingestion.admin.symbols import SymbolAdmin

__all__ = [
    "DamagedFileAdmin",
    "IngestionJobAdmin",
    "RollBackAdmin",
    "SymbolAdmin",
    "SymbolEventAdmin",
]
