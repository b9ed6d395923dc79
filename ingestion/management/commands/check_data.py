"""The runbook's name for `data_quality`."""

from ingestion.management.commands.data_quality import Command

__all__ = ["Command"]
