"""What ingestion says to the apps above it, which it does not know."""

from django.dispatch import Signal

history_changed = Signal()
"""A roll back took rows of a symbol, or was undone; the lake has changed and the row says so.

Sender: `RollBack`; `made`: its row; `by`: a user or None.
"""
