"""What a soak measures while it goes on: memory, files, answers."""

import http.client
import re
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.launcher import Launcher

MEGABYTE = 1_000_000
PATIENCE_SECONDS = 30
PROGRAMS = {
    "broker": "-server 127.0.0.1:",
    "ingest": "-n ingest@",
    "live": "-n live@",
    "beat": " beat ",
    "liquidations": "collect_liquidations",
    "web": "gunicorn",
    "flower": " flower ",
}
"""By program a word of its command line."""


@dataclass(frozen=True)
class Sample:
    """The system at a second of the soak: by program, with all that it started, resident memory
    and its share of memory that several processes have in common (MB); the Parquet files of the
    lake's newest state as its metrics give them (None: no answer), and those on the disk."""

    second: float
    resident: dict[str, float]
    proportional: dict[str, float]
    files: int | None
    files_bytes: int | None
    files_on_disk: int
    bytes_on_disk: int
    catalogue_bytes: int

    @property
    def total_resident(self) -> float:
        return sum(self.resident.values())

    @property
    def total_proportional(self) -> float:
        return sum(self.proportional.values())


def take(launcher: Launcher, second: float) -> Sample:
    """Look at the system now."""
    resident, proportional = _memory(launcher)
    figures = _metrics(launcher.web)
    parquet = [
        size
        for path in (launcher.folder / "var/lake/data").rglob("*.parquet")
        if (size := _size(path)) is not None
    ]
    return Sample(
        second,
        resident,
        proportional,
        figures.get("liqheat_lake_files"),
        figures.get("liqheat_lake_bytes"),
        len(parquet),
        sum(parquet),
        sum(_size(path) or 0 for path in (launcher.folder / "var/lake").glob("catalog*")),
    )


def slope(seconds: Sequence[float], values: Sequence[float]) -> float:
    """Growth an hour: the slope of the straight line with the least squares; 0 for one point."""
    middle, mean = sum(seconds) / len(seconds), sum(values) / len(values)
    spread = sum((second - middle) ** 2 for second in seconds)
    products = ((s - middle) * (v - mean) for s, v in zip(seconds, values, strict=True))
    return 3600 * sum(products) / spread if spread else 0.0


@dataclass(frozen=True)
class Answer:
    """What came, or the error's name, to a request of `at` (ms), and after how many seconds."""

    page: str
    at: int
    seconds: float
    status: str


class Reader:
    """Asks the web server for some pages in turn, as people and monitors do."""

    def __init__(self, address: str, paths: dict[str, str], seconds_between: float) -> None:
        self.answers: list[Answer] = []
        self._address, self._paths, self._pause = address, paths, seconds_between
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for name, path in self._paths.items():
                at, start = time.time_ns() // 1_000_000, time.monotonic()
                status, _ = ask(self._address, path)
                self.answers.append(Answer(name, at, time.monotonic() - start, status))
                if self._stop.wait(self._pause):
                    return


def ask(address: str, path: str) -> tuple[str, str]:
    """Status and text of an answer; the status is the error's name where none came."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return str(answer.status), answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, ""
    finally:
        connection.close()


def _memory(launcher: Launcher) -> tuple[dict[str, float], dict[str, float]]:
    resident: dict[str, float] = defaultdict(float)
    proportional: dict[str, float] = defaultdict(float)
    for program, word in PROGRAMS.items():
        with suppress(StopIteration, psutil.NoSuchProcess):  # between its end and its next start
            process = launcher.program(word)
            for one in [process, *process.children(recursive=True)]:
                memory = one.memory_full_info()
                resident[program] += memory.rss / MEGABYTE
                proportional[program] += memory.pss / MEGABYTE
    return dict(resident), dict(proportional)


def _metrics(address: str) -> dict[str, int]:
    """The figures without labels that the program itself gives."""
    _, text = ask(address, "/metrics")
    return {name: int(float(value)) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.M)}


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # deleted since it was listed
        return None
