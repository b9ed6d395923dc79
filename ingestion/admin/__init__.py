"""Symbols and ingestion jobs in Django's admin."""

from ingestion.admin.ingestion_jobs import IngestionJobAdmin
from ingestion.admin.symbols import SymbolAdmin

__all__ = ["IngestionJobAdmin", "SymbolAdmin"]
