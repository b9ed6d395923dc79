"""What the commands that load data share: arguments, the run with its progress, the summary."""

import re
import signal
import sys
import threading
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from kombu.exceptions import OperationalError
from tqdm import tqdm

from ingestion import tasks
from ingestion.errors import IngestionError
from ingestion.loading import jobs, load
from ingestion.models import (
    ENDED_CHUNK_STATES,
    FAILED_CHUNK_STATES,
    Chunk,
    ChunkState,
    IngestionJob,
    Symbol,
)
from liqheat_project.celery import app
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.kernel.logs import leave_the_screen_to_a_command
from liqheat_project.kernel.runs import RunState

BROKER_TIMEOUT_SECONDS = 3.0
BAR_REFRESH_SECONDS = 0.5


def find_symbol(name: str) -> Symbol:
    """The registered symbol; CommandError that says how to register it otherwise."""
    symbol = Symbol.objects.filter(name=name).first()
    if symbol:
        return symbol
    if Symbol.objects.filter(name=name.upper()).exists():
        raise CommandError(f"{name} is not registered; {name.upper()} is.")
    raise CommandError(
        f"{name} is not registered. Register it in the admin under Symbols, or with "
        f"`manage.py register_symbol {name} --tick-size X`."
    )


def confirm(word: str) -> None:
    """Let a person type `word`; CommandError when something else comes, or nobody can be asked."""
    if not sys.stdin.isatty():
        raise CommandError("Nothing was changed: without a terminal to ask on, give --yes.")
    if input(f"Type {word} to go on: ").strip() != word:
        raise CommandError("Nothing was changed.")


def day(text: str) -> date:
    """A date argument such as 2024-11-01."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text} is not in the calendar") from error
    raise ArgumentTypeError(f"{text!r} is no date like 2024-11-01")


def data_folder(text: str) -> Path:
    """An existing folder, relative to the working directory or absolute; CommandError otherwise."""
    folder = Path(text).expanduser().resolve()
    if not folder.is_dir():
        raise CommandError(f"--data-dir: {folder} is not a folder.")
    return folder


class LoadCommand(ProjectCommand):
    """Loads one dataset of a symbol. Subclasses say which, as in `market.datasets.SERIES`."""

    def dataset(self, options: dict[str, Any]) -> str:
        raise NotImplementedError

    def add_arguments(self, parser: ArgumentParser) -> None:
        date_form = "YYYY-MM-DD"
        parser.add_argument("--symbol", required=True, help="a registered symbol: ETHUSDT")
        parser.add_argument("--start-date", type=day, metavar=date_form, help="first day, UTC")
        parser.add_argument("--end-date", type=day, metavar=date_form, help="last day, included")
        parser.add_argument(
            "--data-dir",
            metavar="DIR",
            help="local folder with DIR/ETHUSDT/aggTrades/ETHUSDT-aggTrades-2024-11-01.csv or .zip,"
            " or a mirror of the archive; without it, the public archive",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="fetch and check every file, write nothing"
        )
        parser.add_argument(
            "--throttle-ms", type=int, default=0, metavar="N", help="pause before each file"
        )
        parser.add_argument(
            "--monthly", action="store_true", help="load the archive's monthly files"
        )
        parser.add_argument(
            "--reload", action="store_true", help="load again what is in the lake already"
        )
        parser.add_argument(
            "--accept-fewer",
            action="store_true",
            help="load files that hold fewer rows than the lake holds of their days",
        )
        parser.add_argument(
            "--accept-bad",
            action="store_true",
            help="load the good rows of files of which more than 20 %% are bad, and files whose "
            "prices are far from those of the days beside them",
        )
        parser.add_argument(
            "--queue", action="store_true", help="leave the work to the workers and return"
        )
        parser.add_argument("--db", metavar="PATH", help="accepted, but without effect")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verbosity"] < 2:
            leave_the_screen_to_a_command()
        symbol = find_symbol(options["symbol"])
        start, end = self._dates(options)
        folder = data_folder(options["data_dir"]) if options["data_dir"] else None
        if options["queue"]:
            require_broker("Without --queue the files are loaded right here. No job was made.")
        try:
            job = jobs.create_job(
                symbol,
                [self.dataset(options)],
                start,
                end,
                source=IngestionJob.Source.FOLDER if folder else IngestionJob.Source.ARCHIVE,
                folder=str(folder or ""),
                period=IngestionJob.Period.MONTHLY
                if options["monthly"]
                else IngestionJob.Period.DAILY,
                dry_run=options["dry_run"],
                reload=options["reload"],
                throttle_ms=options["throttle_ms"],
                accept_fewer=options["accept_fewer"],
                accept_bad=options["accept_bad"],
            )
        except IngestionError as error:
            raise CommandError(str(error)) from error
        self._print_notes(job, options)
        if options["queue"]:
            self._hand_over(job)
        else:
            self._run(job)

    def _dates(self, options: dict[str, Any]) -> tuple[date, date]:
        missing = [
            f"--{name.replace('_', '-')}"
            for name in ("start_date", "end_date")
            if not options[name]
        ]
        if missing:
            raise CommandError(f"Give {' and '.join(missing)}: the days to load.")
        start, end = options["start_date"], options["end_date"]
        today = datetime.now(UTC).date()
        if end > today:
            raise CommandError(f"--end-date {end} lies in the future: today is {today} (UTC).")
        return start, end

    def _print_notes(self, job: IngestionJob, options: dict[str, Any]) -> None:
        if options["db"]:
            self._note(
                "--db has no effect: the lake's place is set by LAKE_CATALOG_URL and "
                "LAKE_DATA_PATH."
            )
        if options["monthly"]:
            files = [chunk.file for chunk in job.chunks.all()]
            last = files[-1].end - timedelta(days=1)
            if (files[0].start, last) != (job.start_date, job.end_date):
                self._note(f"monthly files hold whole months: {files[0].start} to {last}.")
        if not job.symbol.enabled:
            self._note(
                f"{job.symbol} is not enabled: the API will not serve it until "
                f"`manage.py enable_symbol {job.symbol}`."
            )

    def _note(self, text: str) -> None:
        self.stderr.write(f"Note: {text}", self.style.WARNING)

    def _hand_over(self, job: IngestionJob) -> None:
        try:
            tasks.send(job.chunks.values_list("pk", flat=True))
        except OperationalError as error:
            jobs.cancel(job, reason="the broker did not answer")
            raise CommandError(f"The broker does not answer; job {job.pk} is cancelled.") from error
        self.stdout.write(
            f"Job {job.pk} is queued: {_files(job.steps_total)} of {job.symbol} "
            f"{', '.join(job.datasets)}.\n"
            f"Watch it at http://{settings.WEB_ADDRESS}/admin/ingestion/ingestionjob/{job.pk}/change/"
        )
        if not app.control.broadcast("ping", reply=True, timeout=1, limit=1):
            self._note("no worker answers: the job waits until one runs (`manage.py up`).")

    def _run(self, job: IngestionJob) -> None:
        began = time.monotonic()
        with _cancelled_on_failure(job):
            with _Progress(job, self) as progress:
                load.run_here(job, progress.report)
            job.refresh_from_db()
            self._print_summary(job, time.monotonic() - began)
        if job.state != RunState.SUCCEEDED:
            raise CommandError(f"{job.error}.", returncode=1)

    def _print_summary(self, job: IngestionJob, seconds: float) -> None:
        totals = job.totals()
        rate = totals["rows"] / seconds
        done = "checked, nothing written" if job.dry_run else job.get_state_display().lower()
        lines = {
            "files": _state_counts(job),
            "rows": f"{totals['rows']:,}",
            "read": _bytes(totals["bytes"]),
            "quarantined": f"{totals['quarantined']:,}",
            "duplicates": f"{totals['duplicates']:,}",
            "time": f"{seconds:.1f} s, {rate:,.0f} rows/s",
        }
        self.stdout.write(f"{job}, job {job.pk}: {done}")
        for name, value in lines.items():
            self.stdout.write(f"  {name:<12} {value}")
        for chunk in job.chunks.filter(state__in=FAILED_CHUNK_STATES):
            self.stderr.write(
                f"  {chunk.get_state_display().lower()}: {chunk.file.name}: {chunk.reason}"
            )
        for chunk in job.chunks.filter(state=ChunkState.LOADED).exclude(reason=""):
            self._note(f"{chunk.file.name}: {chunk.reason}.")


class _Progress:
    """A bar over the files on a terminal, a line for each step of progress elsewhere.

    On a terminal a thread of its own keeps it moving: a step may take a while, such as a large
    file, or many small ones at once.
    """

    def __init__(self, job: IngestionJob, command: ProjectCommand) -> None:
        self._job = job
        self._command = command
        self._done = 0
        self._attempt_announced = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_moving, daemon=True, name="progress")
        self._bar = tqdm(
            total=job.steps_total,
            desc=f"{job.symbol} {', '.join(job.datasets)}",
            unit="file",
            disable=None,
            dynamic_ncols=True,
        )

    def __enter__(self) -> "_Progress":
        if not self._bar.disable:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._ended.set()
            self._thread.join()
            self._show()
        self._bar.close()

    def report(self, _: IngestionJob) -> None:
        """What the run calls after every step."""
        if self._bar.disable:
            self._show()

    def _keep_moving(self) -> None:
        try:
            while not self._ended.wait(BAR_REFRESH_SECONDS):
                self._show()
        finally:
            connection.close()

    def _show(self) -> None:
        self._announce_waiting()
        done = self._job.chunks.filter(state__in=ENDED_CHUNK_STATES).count()
        totals = self._job.totals()
        counts = f"{totals['rows']:,} rows, {_bytes(totals['bytes'])}"
        if not self._bar.disable:
            self._bar.set_postfix_str(counts, refresh=False)
            self._bar.n = done
            self._bar.refresh()
        elif done != self._done:
            self._command.stdout.write(f"{done:,} of {_files(self._job.steps_total)}, {counts}")
            self._command.stdout.flush()  # a pipe or a log file shows it now
        self._done = done

    def _announce_waiting(self) -> None:
        waiting = self._job.chunks.filter(state=ChunkState.WAITING)
        last = waiting.order_by("-attempts").first()
        if last and last.attempts > self._attempt_announced:
            self._attempt_announced = last.attempts
            tqdm.write(
                f"{_files(waiting.count())} will be tried again, "
                f"{last.attempts} of {settings.CHUNK_MAX_ATTEMPTS} attempts failed: {last.reason}",
                file=sys.stderr,
            )


@contextmanager
def _cancelled_on_failure(job: IngestionJob) -> Iterator[None]:
    """Whatever ends the block early, Ctrl-C included, cancels what is left of the job."""
    received: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    except BaseException as error:
        if not connection.in_atomic_block:
            connection.close()  # it may have been interrupted between two statements
        left = jobs.cancel(job, reason="interrupted in the shell" if received else "it broke off")
        if received:
            raise CommandError(
                f"Interrupted: job {job.pk} is cancelled, {_files(left)} not loaded.",
                returncode=128 + received[0],
            ) from None
        if isinstance(error, IngestionError):
            raise CommandError(str(error)) from error
        raise
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def require_broker(hint: str) -> None:
    """CommandError, with the hint, unless the broker answers."""
    try:
        redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=BROKER_TIMEOUT_SECONDS,
            socket_connect_timeout=BROKER_TIMEOUT_SECONDS,
        ).ping()
    except (redis.RedisError, OSError) as error:
        address = urlsplit(settings.REDIS_URL)
        place = f"{address.hostname}:{address.port or 6379}" if address.hostname else address.path
        raise CommandError(
            f"No broker answers at {place} ({error}). Start `manage.py up` or set REDIS_URL. {hint}"
        ) from error


def _state_counts(job: IngestionJob) -> str:
    good = ChunkState.CHECKED if job.dry_run else ChunkState.LOADED
    counts = {
        "checked" if job.dry_run else "loaded": job.chunks.filter(state=good).count(),
        "unchanged": job.chunks.filter(state=ChunkState.UNCHANGED).count(),
        "failed": job.chunks.filter(state=ChunkState.FAILED).count(),
    }
    if undecided := job.chunks.filter(state=ChunkState.UNDECIDED).count():
        counts["to be decided"] = undecided
    unverified = Chunk.objects.filter(job=job, state=good, verified=False).count()
    text = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return text + (f" ({unverified:,} without a .CHECKSUM)" if unverified else "")


def _files(count: int) -> str:
    return f"{count:,} file" + ("" if count == 1 else "s")


def _bytes(count: int) -> str:
    return tqdm.format_sizeof(count, "B")
