"""Symbols, ingestion jobs, roll backs, the audit log and the system's status in Django's admin."""

from ingestion.admin.audit_log import SymbolEventAdmin
from ingestion.admin.ingestion_jobs import IngestionJobAdmin
from ingestion.admin.roll_backs import RollBackAdmin
from ingestion.admin.symbols import SymbolAdmin
from ingestion.admin.system_status import SystemStatusAdmin

__all__ = [
    "IngestionJobAdmin",
    "RollBackAdmin",
    "SymbolAdmin",
    "SymbolEventAdmin",
    "SystemStatusAdmin",
]
