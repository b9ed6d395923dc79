"""Symbols, ingestion jobs and the system's status in Django's admin."""

from ingestion.admin.ingestion_jobs import IngestionJobAdmin
from ingestion.admin.symbols import SymbolAdmin
from ingestion.admin.system_status import SystemStatusAdmin

__all__ = ["IngestionJobAdmin", "SymbolAdmin", "SystemStatusAdmin"]
