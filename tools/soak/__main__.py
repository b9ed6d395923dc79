"""`make soak`: the whole program for an hour against a stand-in exchange that misbehaves.

    python -m tools.soak --minutes 60 --report soak.txt

`manage.py up` runs in a folder and on ports of its own. At the end what the exchange served is
compared with what the lake holds. Exit status 1 if something was lost, or grew, or ended by itself.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.support.archive_server import ArchiveServer
from tests.support.launcher import Launcher
from tests.support.services import CHECKOUT
from tools.soak import collected, report, samples
from tools.soak.collected import LOOK_BACK_HOURS
from tools.soak.play import (
    LAST_KILL,
    LIQUIDATIONS_PERIOD_SECONDS,
    RECHECK_SECONDS,
    Record,
    Stage,
    steps,
)
from tools.soak.stand_ins import Exchange, Liquidator, Stream, now_ms

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
SERIES = 4 * len(SYMBOLS) + 2
"""Open interest, candles, liquidations and their coverage by symbol; ledger and quarantine."""
FIRST_MARK = 1 / 12
"""Share of the soak after which memory counts as settled: five minutes of an hour."""
WRITING_SECONDS = 15
"""From the last liquidation to the end, so that all are written."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--report", type=Path, help="write the report to this file, too")
    parser.add_argument("--folder", type=Path, help="run there and keep it, for a look at the logs")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="liqheat-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(1))
    try:
        found = soak(folder, options.minutes * 60)
    finally:
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)
    print(found.text, flush=True)
    if options.report:
        options.report.write_text(found.text)
    return 1 if found.failures else 0


def soak(folder: Path, seconds: float) -> report.Report:
    """Run the system for so long, in `folder`, and say what became of it."""
    with running(folder, seconds) as stage:
        reader = samples.Reader(
            stage.launcher.web,
            {
                "/health": "/health",
                "heatmap-timeseries": "/liquidations/heatmap-timeseries?symbol=BTCUSDT",
            },
            2.0,
        )
        began = now_ms()
        taken = _play(stage, reader)
        ended = now_ms()
        code = _stop(stage)
    found = report.Report()
    found.lines.append(
        f"Soak of {seconds / 60:.0f} minutes, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )
    found.head("What was done to it")
    found.lines += stage.record.lines
    collected.add(found, stage, (began, ended))
    report.add_memory(found, taken, FIRST_MARK * seconds - 1, (LAST_KILL + 0.02) * seconds)
    report.add_files(found, taken, SERIES)
    report.add_answers(found, reader.answers)
    report.add_restarts(found, stage.launcher.output, stage.record.kills)
    found.hold(code == 0, f"manage.py up stopped on Ctrl-C with code {code}")
    report.add_logs(found, stage.launcher.logs.glob("*.log"))
    return found


@contextmanager
def running(folder: Path, seconds: float) -> Iterator[Stage]:
    """The system, with some symbols enabled, beside its stand-ins."""
    period = min(30, max(3, round(seconds / 120)))
    archive_folder = folder / "archive"
    archive_folder.mkdir()
    with (
        Exchange(SYMBOLS, RECHECK_SECONDS) as exchange,
        Stream() as stream,
        ArchiveServer(archive_folder) as archive,
    ):
        launcher = Launcher(
            folder,
            FUTURES_BASE_URL=exchange.url,
            STREAM_BASE_URL=stream.url,
            ARCHIVE_BASE_URL=archive.url,
            ARCHIVE_SYNC_SECONDS=str(max(60, round(seconds / 20))),
            COINGLASS_BASE_URL="http://127.0.0.1:9",
            DATA_DIR=str(folder / "data"),
            VALIDATION_DIR=str(folder / "validation"),
            OPEN_INTEREST_SECONDS=str(period),
            CANDLES_SECONDS=str(2 * period),
            CANDLES_LOOK_BACK_HOURS=str(LOOK_BACK_HOURS + 1),
            LIQUIDATIONS_PERIOD_SECONDS=str(LIQUIDATIONS_PERIOD_SECONDS),
            LIQUIDATIONS_SILENCE_MINUTES="1",
            LAKE_MAINTENANCE_SECONDS=str(max(30, round(seconds / 12))),
            REST_TIMEOUT_SECONDS="5",
            REST_RECHECK_SECONDS=str(RECHECK_SECONDS),
        )
        try:
            launcher.start_and_wait()
            for symbol in SYMBOLS:
                _manage(launcher, "enable_symbol", symbol)
            stream.wait_for_listener()
            liquidator = Liquidator(stream, exchange, seconds=3.0)
            yield Stage(
                launcher, exchange, stream, archive.root, liquidator, Record(), seconds, period
            )
        finally:
            launcher.kill()


def _play(stage: Stage, reader: samples.Reader) -> list[samples.Sample]:
    """Let the soak take its course."""
    start = time.monotonic()
    every = min(60.0, stage.seconds / 40)
    last = stage.seconds - WRITING_SECONDS
    taken: list[samples.Sample] = []

    def wait_until_second(second: float) -> None:
        while (now := time.monotonic() - start) < second:
            if now >= len(taken) * every:
                taken.append(samples.take(stage.launcher, now))
            time.sleep(min(0.2, max(0.0, second - now)))

    reader.start()
    stage.liquidator.start()
    for second, do in steps(stage):
        wait_until_second(min(second, last))
        do()
    wait_until_second(last)
    stage.liquidator.stop()
    wait_until_second(stage.seconds)
    taken.append(samples.take(stage.launcher, time.monotonic() - start))
    reader.stop()
    return taken


def _stop(stage: Stage) -> int:
    stage.launcher.process.send_signal(signal.SIGINT)
    return stage.launcher.process.wait(120)


def _manage(launcher: Launcher, *command: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=CHECKOUT,
        env=launcher.environment,
        check=True,
        capture_output=True,
    )


if __name__ == "__main__":
    sys.exit(main())
