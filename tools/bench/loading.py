"""Benchmark of loading: an aggTrades day against DuckDB's own import, many days, many small files.

    python -m tools.bench.loading [--days 30] [--rows 1500000]

Every case runs in a process and a VAR_DIR of its own, with real files; medians of alternating runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import duckdb

from ingestion.market.files import ArchiveFile, plan_files
from tests.support.services import Valkey, Worker

FIRST_DAY = date(2024, 11, 1)
SYMBOL = "BTCUSDT"

TRADES = """
COPY (
    SELECT 2000000000 + i AS agg_trade_id,
           printf('%.1f', 95000 + 900 * sin(i / 90000.0) + (hash(i) % 400) / 10.0) AS price,
           printf('%.3f', 0.001 + (hash(i + 1) % 9000) / 1000.0) AS quantity,
           5000000000 + 2 * i AS first_trade_id, 5000000000 + 2 * i + hash(i) % 2 AS last_trade_id,
           $start + (i * 86399000) // $rows AS transact_time,
           CASE WHEN hash(i + 2) % 2 = 0 THEN 'true' ELSE 'false' END AS is_buyer_maker
    FROM range($rows) t(i)
) TO '{path}' (HEADER, DELIMITER ',')
"""

PLAIN_IMPORT = """
CREATE TABLE trades AS SELECT * FROM read_csv(?, header = true, auto_detect = false, columns = {
    'agg_trade_id': 'BIGINT', 'price': 'DOUBLE', 'quantity': 'DOUBLE', 'first_trade_id': 'BIGINT',
    'last_trade_id': 'BIGINT', 'transact_time': 'BIGINT', 'is_buyer_maker': 'BOOLEAN'})
"""


def make_trades_day(folder: Path, file: ArchiveFile, rows: int) -> Path:
    """A day of made-up trades as a zip with its checksum; returns the CSV, left beside it."""
    path = folder / file.archive_path
    path.parent.mkdir(parents=True, exist_ok=True)
    csv = path.with_suffix(".csv.plain")
    start = int(file.start_instant.timestamp() * 1000)
    duckdb.connect().execute(TRADES.format(path=csv), {"start": start, "rows": rows})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.write(csv, f"{file.name}.csv")
    digest = sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return csv


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "benchmark",
        "VAR_DIR": str(folder / "var"),
        "LOG_LEVEL": "WARNING",
    }


def measured(case: str, folder: Path, *arguments: object) -> dict[str, float]:
    """What the case printed, run in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--case", case, str(folder), *map(str, arguments)],
        env=environment(folder),
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(result.stdout.splitlines()[-1])


def peak_memory_mb() -> float:
    """Of this process alone: a child inherits its parent's ru_maxrss, /proc does not lie."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def case_plain_import(folder: Path, csv: str) -> dict[str, float]:
    target = folder / "plain.duckdb"
    target.unlink(missing_ok=True)
    connection = duckdb.connect(str(target), config={"threads": 2})
    start = time.perf_counter()
    connection.execute(PLAIN_IMPORT, [csv])
    connection.execute("CHECKPOINT")
    return {"seconds": time.perf_counter() - start, "memory": peak_memory_mb()}


def case_load(folder: Path, source: str, dataset: str, days: str, *_: str) -> dict[str, float]:
    """A job in the foreground: everything from reading the source to the settled job."""
    django_ready()
    from ingestion import lake
    from ingestion.loading import load
    from ingestion.models import IngestionJob

    lake.writer()  # opening the lake is once per process, not once per job
    job = make_job(source, dataset, int(days))
    durations: list[float] = []
    last = start = time.perf_counter()

    def report(job: IngestionJob) -> None:
        nonlocal last
        durations.append(time.perf_counter() - last)
        last = time.perf_counter()

    load.run_here(job, report)
    seconds = time.perf_counter() - start
    job.refresh_from_db()
    assert job.state == "succeeded", (job.error, [c.reason for c in job.chunks.all()][:2])
    bytes_on_disk = sum(
        path.stat().st_size for path in (folder / "var/lake/data").rglob("*.parquet")
    )
    return {
        "seconds": seconds,
        "memory": peak_memory_mb(),
        "rows": job.totals()["rows"],
        "disk": bytes_on_disk,
        "first": durations[0],
        "last": durations[-1],
    }


def case_data_work(folder: Path, source: str, dataset: str, days: str, *_: str) -> dict[str, float]:
    """The same files without jobs: fetch, verify, parse, write in batches."""
    django_ready()
    from django.utils import timezone

    from ingestion import lake
    from ingestion.lake.parse import drop, parse
    from ingestion.lake.write import Load, replace_files
    from ingestion.loading.lease import DEFAULT_BATCH_SIZE
    from ingestion.sources.folder import FolderSource

    writer, folder_source = lake.writer(), FolderSource(Path(source))
    files = small_files(dataset, int(days))
    start = time.perf_counter()
    for first in range(0, len(files), DEFAULT_BATCH_SIZE):
        with tempfile.TemporaryDirectory() as staging:
            loads = []
            for file in files[first : first + DEFAULT_BATCH_SIZE]:
                staged = folder_source.fetch(file, Path(staging))
                parsed = parse(writer.cursor(), staged.csv_path, file, f"file_{len(loads)}")
                loads.append(Load(parsed, staged.origin, staged.sha256, staged.verified, 0))
            replace_files(writer, loads, lambda: True, timezone.now())
            for load in loads:
                drop(writer.cursor(), load.parsed)
    return {"seconds": time.perf_counter() - start, "memory": peak_memory_mb()}


def case_workers(folder: Path, source: str, days: str, workers: str) -> dict[str, float]:
    """The job through the broker and real Celery workers; seconds from sending to its end."""
    django_ready()
    from ingestion.tasks import send

    os.environ["DATABASE_URL"] = f"sqlite:///{folder}/var/liqheat.sqlite3"
    worker = Worker("bench", dict(os.environ), folder, int(workers), "ingest,live", "")
    try:
        job = make_job(source, "aggTrades", int(days))
        start = time.perf_counter()
        send(job.chunks.values_list("pk", flat=True))
        while not job.has_ended:
            time.sleep(0.05)
            job.refresh_from_db()
        seconds = time.perf_counter() - start
        assert job.state == "succeeded", job.error
        chunks = list(job.chunks.order_by("finished_at"))
        per_file = [chunk.duration.total_seconds() for chunk in chunks if chunk.duration]
        fifth = max(1, len(per_file) // 5)
        return {
            "seconds": seconds,
            "rows": job.totals()["rows"],
            "first": statistics.median(per_file[:fifth]),
            "last": statistics.median(per_file[-fifth:]),
        }
    finally:
        worker.kill()


def django_ready() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "liqheat_project.settings"
    import django
    from django.core.management import call_command

    Path(os.environ["VAR_DIR"]).mkdir(parents=True, exist_ok=True)
    django.setup()
    call_command("migrate", verbosity=0)


def make_job(source: str, dataset: str, days: int):
    from ingestion.loading import jobs
    from ingestion.models import Symbol

    symbol = Symbol.objects.get(name=SYMBOL)
    last = FIRST_DAY + timedelta(days - 1)
    return jobs.create_job(symbol, [dataset], FIRST_DAY, last, source="folder", folder=source)


def small_files(dataset: str, days: int) -> list[ArchiveFile]:
    name, _, interval = dataset.partition(" ")
    last = FIRST_DAY + timedelta(days - 1)
    return plan_files(SYMBOL, name, interval or None, FIRST_DAY, last)  # type: ignore[arg-type]


def one_day(folder: Path, rows: int, runs: int = 5) -> None:
    source = folder / "one-day"
    file = ArchiveFile(SYMBOL, "aggTrades", None, FIRST_DAY)
    csv = make_trades_day(source, file, rows)
    plain, ours = [], []
    for run in range(runs + 1):
        place = folder / f"one-{run}"
        place.mkdir()
        plain.append(measured("plain_import", place, csv))
        ours.append(measured("load", place, source, "aggTrades", 1))
    plain, ours = plain[1:], ours[1:]  # the first pair warms the page cache
    ratio = statistics.median(
        mine["seconds"] / theirs["seconds"] for mine, theirs in zip(ours, plain, strict=True)
    )
    report(
        f"one aggTrades day of {rows:,} rows, zip and checksum, into the lake",
        f"{middle(ours, 'seconds'):.2f} s, {ratio:.2f}x",
        f"CREATE TABLE AS of the unzipped file {middle(plain, 'seconds'):.2f} s",
    )
    report(
        "peak memory of that process",
        f"{middle(ours, 'memory'):.0f} MB",
        f"{middle(plain, 'memory'):.0f} MB",
    )
    report(
        "disk",
        f"{middle(ours, 'disk') / rows:.1f} MB per million trades",
        f"{csv.stat().st_size / rows:.0f} MB as CSV",
    )


def many_days(folder: Path, rows: int, days: int) -> None:
    source = folder / "days"
    for file in small_files("aggTrades", days):
        make_trades_day(source, file, rows).unlink()
    results = {}
    for workers in (1, 2):
        place = folder / f"workers-{workers}"
        place.mkdir()
        results[workers] = measured("workers", place, source, days, workers)
    one, two = (results[n]["rows"] / results[n]["seconds"] for n in (1, 2))
    report(
        f"{days} such days through Celery, 2 workers",
        f"{two:,.0f} rows/s, {two / one:.2f}x",
        f"1 worker {one:,.0f} rows/s",
    )
    report(
        "a file of the last fifth of those days",
        f"{results[2]['last']:.2f} s, {results[2]['last'] / results[2]['first']:.2f}x",
        f"of the first fifth {results[2]['first']:.2f} s",
    )


def many_small_files(folder: Path, days: int = 365, runs: int = 3) -> None:
    from tests.support.archive_files import put_zip

    for dataset in ("metrics", "klines 5m"):
        source = folder / dataset.replace(" ", "-")
        for file in small_files(dataset, days):
            put_zip(source, file)
        work, whole = [], []
        for run in range(runs):
            place = folder / f"{dataset.replace(' ', '-')}-{run}"
            for results, case in ((work, "data_work"), (whole, "load")):
                (place / case).mkdir(parents=True)
                results.append(measured(case, place / case, source, dataset, days))
        overhead = (middle(whole, "seconds") - middle(work, "seconds")) / days * 1000
        report(
            f"{days} files of {dataset}, data work",
            f"{middle(work, 'seconds'):.2f} s",
            f"as a job {middle(whole, 'seconds'):.2f} s: {overhead:.1f} ms of job per file",
        )


def middle(results: list[dict[str, float]], name: str) -> float:
    return statistics.median(result[name] for result in results)


def report(case: str, figure: str, beside: str) -> None:
    print(f"| {case} | {figure} | {beside} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rows", type=int, default=1_500_000)
    parser.add_argument("--case", nargs="+")
    arguments = parser.parse_args()
    if arguments.case:
        name, folder, *rest = arguments.case
        print(json.dumps(globals()[f"case_{name}"](Path(folder), *rest)))
        return
    print("| loading | median | in the same run |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="liqheat-bench-") as folder:
        one_day(Path(folder), arguments.rows)
        many_small_files(Path(folder))
        broker = Valkey(Path(folder) / "broker")
        os.environ["REDIS_URL"] = broker.url
        try:
            many_days(Path(folder), arguments.rows, arguments.days)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
