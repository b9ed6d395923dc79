"""The lake's tables."""

from dataclasses import dataclass

import duckdb

from ingestion.market.datasets import LOADED_INTERVALS

INLINING_ROW_LIMIT = 1000  # smaller inserts stay in the catalogue until they are flushed

_TRADE_COLUMNS = """
    symbol VARCHAR, agg_trade_id BIGINT, timestamp TIMESTAMP, price DOUBLE, quantity DOUBLE,
    first_trade_id BIGINT, last_trade_id BIGINT, is_buyer_maker BOOLEAN"""
_CANDLE_COLUMNS = """
    symbol VARCHAR, open_time TIMESTAMP, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE,
    volume DOUBLE, close_time TIMESTAMP, quote_volume DOUBLE, count BIGINT,
    taker_buy_volume DOUBLE, taker_buy_quote_volume DOUBLE"""
_OPEN_INTEREST_COLUMNS = """
    symbol VARCHAR, timestamp TIMESTAMP, open_interest_contracts DOUBLE,
    open_interest_value DOUBLE, source VARCHAR"""
_LIQUIDATION_COLUMNS = """
    symbol VARCHAR, timestamp TIMESTAMP, side VARCHAR, price DOUBLE, average_price DOUBLE,
    quantity DOUBLE, source VARCHAR"""
_COVERAGE_COLUMNS = "symbol VARCHAR, timestamp TIMESTAMP, until TIMESTAMP"
_LEDGER_COLUMNS = """
    symbol VARCHAR, dataset VARCHAR, candle_interval VARCHAR, range_start TIMESTAMP,
    range_end TIMESTAMP, origin VARCHAR, sha256 VARCHAR, verified BOOLEAN, row_count BIGINT,
    quarantined BIGINT, duplicates BIGINT, chunk_id BIGINT, loaded_at TIMESTAMP"""
_QUARANTINE_COLUMNS = """
    symbol VARCHAR, dataset VARCHAR, candle_interval VARCHAR, range_start TIMESTAMP,
    origin VARCHAR, line BIGINT, reason VARCHAR, raw VARCHAR"""
_CHECKSUM_COLUMNS = "path VARCHAR, bytes BIGINT, sha256 VARCHAR, recorded_at TIMESTAMP"


@dataclass(frozen=True)
class MarketTable:
    """A table of market data: `time` bounds the ranges of its rows, `key` is unique in it."""

    plain_name: str
    columns: str
    time: str
    key: str

    @property
    def name(self) -> str:
        """The name with the lake's, as statements use it."""
        return f"lake.{self.plain_name}"


TRADES = MarketTable("aggtrades_history", _TRADE_COLUMNS, "timestamp", "agg_trade_id")
OPEN_INTEREST = MarketTable(
    "open_interest_history", _OPEN_INTEREST_COLUMNS, "timestamp", "timestamp"
)
CANDLES = {
    interval: MarketTable(f"klines_{interval}_history", _CANDLE_COLUMNS, "open_time", "open_time")
    for interval in LOADED_INTERVALS
}
MARK_PRICE_CANDLES = {
    interval: MarketTable(
        f"mark_price_klines_{interval}_history", _CANDLE_COLUMNS, "open_time", "open_time"
    )
    for interval in LOADED_INTERVALS
}
LIQUIDATIONS = MarketTable("liquidation_events", _LIQUIDATION_COLUMNS, "timestamp", "timestamp")
# The times in which the stream of liquidations was heard: without them, no event means nothing.
LIQUIDATION_COVERAGE = MarketTable(
    "liquidation_coverage", _COVERAGE_COLUMNS, "timestamp", "timestamp"
)

MARKET_TABLES = (
    TRADES,
    OPEN_INTEREST,
    *CANDLES.values(),
    *MARK_PRICE_CANDLES.values(),
    LIQUIDATIONS,
    LIQUIDATION_COVERAGE,
)
LEDGER = "lake.loaded_files"
QUARANTINE = "lake.quarantined_rows"
CHECKSUMS = "lake.file_checksums"
"""A line for each Parquet file of the lake. Its own rows stay in the catalogue and are never
flushed into files: they would need checksums too."""
FENCE = "lake.write_fence"
"""One row, which every transaction that writes to a PostgreSQL catalogue changes: of two at once
DuckLake lets one through, also where they touch nothing else in common."""

TABLE_NAMES = frozenset(
    [table.plain_name for table in MARKET_TABLES]
    + [name.removeprefix("lake.") for name in (LEDGER, QUARANTINE, CHECKSUMS, FENCE)]
)


def table_of(dataset: str, interval: str) -> MarketTable:
    """The table that a dataset of the archive is loaded into; KeyError where there is none."""
    if dataset == "klines":
        return CANDLES[interval]
    if dataset == "markPriceKlines":
        return MARK_PRICE_CANDLES[interval]
    return {"aggTrades": TRADES, "metrics": OPEN_INTEREST}[dataset]


def dataset_of(table: MarketTable) -> tuple[str, str] | None:
    """Dataset of the archive and candle interval that a table is loaded from; None where there is
    none: liquidations are recorded only."""
    for dataset, tables in (("klines", CANDLES), ("markPriceKlines", MARK_PRICE_CANDLES)):
        for interval, one in tables.items():
            if one is table:
                return dataset, interval
    return {TRADES: ("aggTrades", ""), OPEN_INTEREST: ("metrics", "")}.get(table)


def create(database: duckdb.DuckDBPyConnection) -> None:
    """Make what is missing of the lake's tables, partitioned by symbol. Needs the write lock."""
    present = {
        name
        for (name,) in database.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
        ).fetchall()
    }
    if not present:
        database.execute("CALL lake.set_option('parquet_compression', 'zstd')")
        database.execute("CALL lake.set_option('parquet_version', '2')")
    if present >= TABLE_NAMES:
        return
    missing = [table for table in MARKET_TABLES if table.plain_name not in present]
    database.execute("BEGIN")
    for table in missing:
        database.execute(f"CREATE TABLE {table.name} ({table.columns})")
        database.execute(f"ALTER TABLE {table.name} SET PARTITIONED BY (symbol)")
    database.execute(f"CREATE TABLE IF NOT EXISTS {LEDGER} ({_LEDGER_COLUMNS})")
    database.execute(f"CREATE TABLE IF NOT EXISTS {QUARANTINE} ({_QUARANTINE_COLUMNS})")
    database.execute(f"CREATE TABLE IF NOT EXISTS {CHECKSUMS} ({_CHECKSUM_COLUMNS})")
    if FENCE.removeprefix("lake.") not in present:
        database.execute(f"CREATE TABLE {FENCE} (written_at TIMESTAMP)")
        database.execute(f"INSERT INTO {FENCE} VALUES (now()::TIMESTAMP)")
    database.execute("COMMIT")
