"""Names and places of the archive's files. Pure text and dates: nothing is opened here."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

from ingestion.errors import RefusedPath, RefusedRange
from ingestion.market.datasets import CANDLE_DATASETS, DATASETS, LOADED_INTERVALS, Dataset
from liqheat_project.kernel import symbol_names
from liqheat_project.kernel.symbol_names import is_symbol_name

Period = Literal["daily", "monthly"]

PERIODS: tuple[str, ...] = get_args(Period)
FIRST_DAY = date(2019, 9, 1)
MAX_FILES = 4_000


@dataclass(frozen=True)
class ArchiveFile:
    """One file of Binance's USD-M archive: a symbol's dataset over one UTC day or month.

    `start` is the day, or the first day of the month. `interval` is the candle interval and None
    for the datasets that are not candles. Raises RefusedPath for anything that could not name a
    file, so that a path built from it never leaves its folder.
    """

    symbol: str
    dataset: Dataset
    interval: str | None
    start: date
    period: Period = "daily"

    def __post_init__(self) -> None:
        if not is_symbol_name(self.symbol):
            raise RefusedPath(f"{self.symbol!r} is not a symbol: {symbol_names.HELP}")
        _require(self.dataset, DATASETS, "dataset")
        _require(self.period, PERIODS, "period")
        if self.dataset in CANDLE_DATASETS:
            _require(self.interval, LOADED_INTERVALS, "interval")
        elif self.interval is not None:
            raise RefusedPath(f"{self.dataset} has no interval, {self.interval!r} was given")
        if not isinstance(self.start, date) or isinstance(self.start, datetime):
            raise RefusedPath(f"{self.start!r} is not a calendar date")
        if self.period == "monthly" and self.dataset == "metrics":
            raise RefusedPath("The archive has no monthly metrics: ask for daily files")
        if self.period == "monthly" and self.start.day != 1:
            raise RefusedPath(f"A month starts on its first day, not on {self.start}")

    @property
    def kind(self) -> str:
        """What stands for the dataset in the file's name: the interval, or the dataset itself."""
        return self.interval or self.dataset

    @property
    def series(self) -> str:
        """Which of `datasets.SERIES` the file is of."""
        return f"{self.dataset} {self.interval or ''}".strip()

    @property
    def name(self) -> str:
        """The file's name without suffix: `ETHUSDT-aggTrades-2024-11-01`, `ETHUSDT-15m-2024-11`."""
        day = self.start.isoformat()
        return f"{self.symbol}-{self.kind}-{day if self.period == 'daily' else day[:7]}"

    @property
    def archive_folder(self) -> str:
        """The archive's folder of this file, with a slash at the end."""
        interval = f"{self.interval}/" if self.interval else ""
        return f"data/futures/um/{self.period}/{self.dataset}/{self.symbol}/{interval}"

    @property
    def archive_path(self) -> str:
        """The zip's path below the archive's base URL."""
        return f"{self.archive_folder}{self.name}.zip"

    @property
    def folder_paths(self) -> tuple[str, ...]:
        """Where a local folder may hold the file, the first that exists wins.

        The runbook's layout (`ETHUSDT/klines/15m/ETHUSDT-15m-2024-11-01.csv`) comes before the
        archive's own, so that a file placed by hand replaces the mirrored one.
        """
        interval = f"{self.interval}/" if self.interval else ""
        runbook = f"{self.symbol}/{self.dataset}/{interval}{self.name}"
        mirror = f"{self.archive_folder}{self.name}"
        return (f"{runbook}.csv", f"{runbook}.zip", f"{mirror}.csv", f"{mirror}.zip")

    @property
    def end(self) -> date:
        """The first day after the file."""
        if self.period == "daily":
            return self.start + timedelta(days=1)
        return _next_month(self.start)

    @property
    def start_instant(self) -> datetime:
        """The file's calendar range is [start_instant, end_instant), aware, UTC.

        Which rows belong in it is `formats.row_range`: open interest ends on the closing midnight.
        """
        return datetime.combine(self.start, time(), UTC)

    @property
    def end_instant(self) -> datetime:
        """The end of the half-open calendar range, aware, UTC."""
        return datetime.combine(self.end, time(), UTC)


def plan_files(
    symbol: str,
    dataset: Dataset,
    interval: str | None,
    first_day: date,
    last_day: date,
    period: Period = "daily",
) -> list[ArchiveFile]:
    """The files that cover `first_day` to `last_day`, both included, in order of time.

    Monthly files cover every month touched. Raises RefusedRange for reversed days, days before the
    archive begins or more than MAX_FILES files, and RefusedPath for what cannot name a file.
    """
    if last_day < first_day:
        raise RefusedRange(f"The last day {last_day} comes before the first day {first_day}")
    if first_day < FIRST_DAY:
        raise RefusedRange(f"The archive begins on {FIRST_DAY}, {first_day} was asked for")
    start = first_day if period == "daily" else first_day.replace(day=1)
    files: list[ArchiveFile] = []
    while start <= last_day:
        if len(files) == MAX_FILES:
            raise RefusedRange(
                f"{first_day} to {last_day} needs more than {MAX_FILES:,} files: ask for less"
            )
        files.append(ArchiveFile(symbol, dataset, interval, start, period))
        start = files[-1].end
    return files


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _require(value: object, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise RefusedPath(f"{value!r} is not a known {what}: {', '.join(known)}")
