"""What the model needs to know of a symbol."""

from dataclasses import dataclass, replace
from decimal import Decimal

import duckdb

from heatmap.brackets import Brackets, brackets_of
from heatmap.history import History, history_of
from heatmap.models import Calibration
from ingestion.models import Symbol


@dataclass(frozen=True)
class Market:
    """A symbol's tick size and brackets, what the lake holds of it, and the calibration in use."""

    symbol: str
    tick_size: Decimal
    brackets: Brackets
    history: History
    calibration: Calibration | None = None

    @property
    def version(self) -> str:
        """Changes with anything that an answer about the symbol depends on."""
        fitted = self.calibration.pk if self.calibration else None
        return f"{self.history.version} {self.tick_size} {self.brackets.version} {fitted}"

    def seen_by(self, cursor: duckdb.DuckDBPyConnection) -> "Market":
        """The same in the snapshot of `cursor`."""
        return replace(self, history=history_of(cursor, self.symbol, self.history))


def market_of(cursor: duckdb.DuckDBPyConnection, symbol: Symbol) -> Market:
    """The market of a symbol in the snapshot of `cursor`, as it is without a calibration."""
    return Market(
        symbol.name, symbol.tick_size, brackets_of(symbol.name), history_of(cursor, symbol.name)
    )
