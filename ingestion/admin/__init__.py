"""Symbols, ingestion jobs, roll backs and the audit log in Django's admin."""

from ingestion.admin.audit_log import SymbolEventAdmin
from ingestion.admin.ingestion_jobs import IngestionJobAdmin
from ingestion.admin.roll_backs import RollBackAdmin
from ingestion.admin.symbols import SymbolAdmin

__all__ = ["IngestionJobAdmin", "RollBackAdmin", "SymbolAdmin", "SymbolEventAdmin"]
