"""Small archive files for tests: CSV text as Binance writes it, in the layouts sources read."""

import hashlib
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingestion.market.files import ArchiveFile

AGG_TRADES_HEADER = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
)
KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)
METRICS_HEADER = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
_MINUTES = {"1m": 1, "5m": 5, "15m": 15, "1h": 60}


def agg_trades_csv(file: ArchiveFile, rows: int = 100, header: bool = True) -> str:
    """`rows` trades, evenly over the day, ids from 1, prices from 100.00 upward by cents."""
    start = _milliseconds(file.start_instant)
    step = 86_400_000 // rows
    lines = [
        f"{i + 1},{100 + i / 100:.2f},{1 + i % 7}.5,{i * 2 + 1},{i * 2 + 2},{start + i * step},"
        f"{'true' if i % 2 else 'false'}"
        for i in range(rows)
    ]
    return "\n".join([AGG_TRADES_HEADER, *lines] if header else lines) + "\n"


def klines_csv(file: ArchiveFile, price: float = 100.0) -> str:
    """A full day of candles around `price`."""
    minutes = _MINUTES[file.interval or "5m"]
    lines = []
    for i in range(1440 // minutes):
        opened = _milliseconds(file.start_instant) + i * minutes * 60_000
        base = price + i % 10
        lines.append(
            f"{opened},{base},{base + 2},{base - 2},{base + 1},10,{opened + minutes * 60_000 - 1},"
            f"{base * 10},5,6,{base * 6},0"
        )
    return "\n".join([KLINES_HEADER, *lines]) + "\n"


def metrics_csv(file: ArchiveFile, contracts: float = 1000.0) -> str:
    """A full day of open interest, labelled as the archive does on that day."""
    first = 0 if file.start_instant >= datetime(2026, 6, 25, tzinfo=UTC) else 1
    lines = []
    for i in range(288):
        label = file.start_instant + timedelta(minutes=5 * (i + first))
        lines.append(
            f"{label:%Y-%m-%d %H:%M:%S},{file.symbol},{contracts + i},{(contracts + i) * 100},,,,"
        )
    return "\n".join([METRICS_HEADER, *lines]) + "\n"


def csv_of(file: ArchiveFile) -> str:
    """The default content of a file, by its dataset."""
    if file.dataset == "aggTrades":
        return agg_trades_csv(file)
    return metrics_csv(file) if file.dataset == "metrics" else klines_csv(file)


def put_csv(folder: Path, file: ArchiveFile, text: str | None = None) -> Path:
    """Write a CSV in the runbook's layout."""
    path = folder / file.folder_paths[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(csv_of(file) if text is None else text)
    return path


def put_zip(folder: Path, file: ArchiveFile, text: str | None = None) -> Path:
    """Write a zip with its `.CHECKSUM` in the archive's own layout."""
    path = folder / file.archive_path
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{file.name}.csv", csv_of(file) if text is None else text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return path


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
