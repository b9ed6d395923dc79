"""The days of a symbol as the ledger, the rows and the attempts tell of them."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ingestion.lake import LakeConfig, read, writer
from ingestion.lake.ledger import lines_of
from ingestion.lake.live import add_candles, add_open_interest
from ingestion.loading import jobs, load
from ingestion.market.datasets import parts_of
from ingestion.market.files import ArchiveFile
from ingestion.market.records import Candle, OpenInterestFigure
from ingestion.models import IngestionJob, Symbol
from ingestion.quality.report import DatasetQuality, DayState, Gap, check, known_days
from tests.support.archive_files import agg_trades_csv, klines_csv, metrics_csv, put_csv, put_zip
from tests.support.archive_server import ArchiveServer
from tests.support.commands import said

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = date(2024, 11, 1)


@pytest.fixture
def archive(lake: LakeConfig, tmp_path: Path, settings: Any) -> Iterator[ArchiveServer]:
    with ArchiveServer(tmp_path / "archive") as server:
        settings.ARCHIVE_BASE_URL = server.url
        yield server


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def metrics(number: int) -> ArchiveFile:
    return ArchiveFile("ETHUSDT", "metrics", None, day(number))


def load_days(symbol: Symbol, first: int, last: int, *datasets: str, **options: Any) -> None:
    job = jobs.create_job(
        symbol, datasets or ("metrics",), day(first), day(last), reload=True, **options
    )
    load.run_here(job, lambda job: None)


def checked(*arguments: Any) -> list[DatasetQuality]:
    with read.snapshot() as cursor:
        return check(cursor, *arguments)


def known() -> Any:
    with read.snapshot() as cursor:
        return known_days(cursor, "ETHUSDT")


def states(found: DatasetQuality) -> list[str]:
    return [str(day.state) for day in found.days]


def without_lines(text: str, first: int, last: int) -> str:
    lines = text.splitlines()
    return "\n".join(lines[:first] + lines[last:]) + "\n"


def test_each_day_has_the_state_that_its_file_rows_and_attempts_give_it(
    ethereum: Symbol, archive: ArchiveServer
) -> None:
    for number in (0, 1, 2, 3, 6):
        put_zip(archive.root, metrics(number))
    put_zip(archive.root, metrics(1), without_lines(metrics_csv(metrics(1)), 100, 113))
    put_zip(archive.root, metrics(2), metrics_csv(metrics(2)).replace(",1007.0,", ",nonsense,"))
    archive.put(metrics(3).archive_path, b"PK nonsense", checksum="ab" * 32)
    load_days(ethereum, 0, 4)
    put_zip(archive.root, metrics(0), metrics_csv(metrics(0), 2000.0))
    load_days(ethereum, 0, 0)
    unverified = metrics(6)
    (archive.root / f"{unverified.archive_path}.CHECKSUM").unlink()
    load_days(ethereum, 6, 6)
    writer().cursor().execute(
        "INSERT INTO lake.open_interest_history VALUES ('ETHUSDT', ?, 1, 100, 'rest')",
        [datetime(2024, 11, 8, 12, 0, 30)],
    )
    assert known() == (day(0), day(7))

    (found,) = checked("ETHUSDT")
    assert found.dataset == "metrics"
    assert states(found) == [
        "replaced",
        "partial",
        "quarantined",
        "checksum_mismatch",
        "missing_upstream",
        "not_loaded",
        "unverified",
        "live_only",
    ]
    partial, quarantined, mismatch, missing = found.days[1:5]
    assert (partial.rows, partial.filled, partial.slots) == (275, 275, 288)
    assert (quarantined.quarantined, quarantined.filled) == (1, 287)
    assert "CHECKSUM" in mismatch.reason
    assert "does not exist" in missing.reason
    assert found.counts == dict.fromkeys([*map(DayState, sorted(states(found), key=ORDER))], 1)
    assert len(found.bad_days) == 5
    assert Gap(at(2, 8, 15), at(2, 9, 20)) in found.gaps  # [00:05, 00:10) closes at 00:10


ORDER = [str(state) for state in DayState].index


def at(day: int, hour: int, minute: int) -> datetime:
    return datetime(2024, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize("dataset", ["metrics", "klines 1m"])
def test_live_rows_are_live_only_until_the_archives_file_replaces_them(
    ethereum: Symbol, archive: ArchiveServer, dataset: str
) -> None:
    collected(dataset)
    (found,) = checked("ETHUSDT")
    assert states(found) == ["live_only"]
    assert found.bad_days == []
    assert found.days[0].remarks == f"1 of {found.days[0].slots:,} filled"
    load_days(ethereum, 0, 0, dataset)  # not published yet
    assert states(checked("ETHUSDT")[0]) == ["live_only"]

    file = ArchiveFile("ETHUSDT", *parts_of(dataset), day(0))
    put_zip(archive.root, file)
    load_days(ethereum, 0, 0, dataset)
    assert states(checked("ETHUSDT")[0]) == ["verified"]
    with read.snapshot() as cursor:
        (line,) = lines_of(cursor, "ETHUSDT")
    assert (line.is_live, line.rows) == (False, found.days[0].slots)

    text = metrics_csv(file, 2000.0) if dataset == "metrics" else klines_csv(file, 200.0)
    put_zip(archive.root, file, text)
    load_days(ethereum, 0, 0, dataset)
    assert states(checked("ETHUSDT")[0]) == ["replaced"]


def collected(dataset: str) -> None:
    """One row of the first day's noon, as a collector writes it."""
    noon = int(datetime(2024, 11, 1, 12, tzinfo=UTC).timestamp()) * 1000
    told = ("http://exchange", lambda: ["ETHUSDT"], datetime.now(UTC))
    if dataset == "metrics":
        figure = OpenInterestFigure("ETHUSDT", noon + 30_000, 5.0)
        assert add_open_interest(writer(), [figure], [None], *told) == 1
    else:
        candle = Candle("ETHUSDT", noon, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1.0, 1.0)
        assert add_candles(writer(), [candle], *told) == 1


def test_a_load_that_went_well_ends_a_failure(ethereum: Symbol, archive: ArchiveServer) -> None:
    load_days(ethereum, 0, 1)
    assert states(checked("ETHUSDT")[0]) == ["missing_upstream"] * 2
    put_zip(archive.root, metrics(0))
    load_days(ethereum, 0, 0)
    assert states(checked("ETHUSDT")[0]) == ["verified", "missing_upstream"]


def test_a_dry_run_says_nothing_of_what_is_loaded(ethereum: Symbol, archive: ArchiveServer) -> None:
    load_days(ethereum, 0, 0, dry_run=True)
    assert checked("ETHUSDT") == []
    assert known() is None


def test_a_months_file_speaks_for_its_days_until_a_day_replaces_it_in_part(
    ethereum: Symbol, archive: ArchiveServer
) -> None:
    month = ArchiveFile("ETHUSDT", "klines", "15m", FIRST, "monthly")
    files = [ArchiveFile("ETHUSDT", "klines", "15m", day(number)) for number in range(30)]
    texts = [klines_csv(file) for file in files]
    texts[4] = texts[4].partition("\n")[0] + "\n"
    put_zip(archive.root, month, texts[0] + "".join(text.partition("\n")[2] for text in texts[1:]))
    load_days(ethereum, 0, 29, "klines 15m", period="monthly")
    assert states(checked("ETHUSDT")[0]) == ["verified"] * 4 + ["partial"] + ["verified"] * 25
    assert checked("ETHUSDT")[0].gaps == [Gap(at(5, 0, 0), at(6, 0, 0))]
    put_zip(archive.root, files[4])
    load_days(ethereum, 4, 4, "klines 15m")
    assert states(checked("ETHUSDT")[0]) == ["verified"] * 30


def test_an_hour_without_a_trade_makes_a_day_of_trades_partial(
    ethereum: Symbol, archive: ArchiveServer
) -> None:
    whole, short = (ArchiveFile("ETHUSDT", "aggTrades", None, day(number)) for number in (0, 1))
    put_zip(archive.root, whole)
    put_zip(archive.root, short, without_lines(agg_trades_csv(short), 60, 101))
    load_days(ethereum, 0, 1, "aggTrades")
    (found,) = checked("ETHUSDT")
    assert states(found) == ["verified", "partial"]
    assert found.days[1].filled == 14


def test_days_may_be_chosen(ethereum: Symbol, archive: ArchiveServer) -> None:
    put_zip(archive.root, metrics(1))
    load_days(ethereum, 1, 1)
    assert states(checked("ETHUSDT", day(0), day(2))[0]) == ["not_loaded", "verified", "not_loaded"]
    assert checked("ETHUSDT", day(2), day(3)) == []
    assert checked("ETHUSDT", day(2), day(0)) == []


def test_a_job_may_leave_days_out_and_so_does_its_repetition(
    ethereum: Symbol, archive: ArchiveServer
) -> None:
    job = jobs.create_job(ethereum, ["metrics"], day(0), day(4), only={day(0), day(3)})
    assert [chunk.start for chunk in job.chunks.all()] == [day(0), day(3)]
    assert job.steps_total == 2
    again = jobs.run_again(job)
    assert [chunk.start for chunk in again.chunks.all()] == [day(0), day(3)]


# The command


def quality_fails(*arguments: Any) -> tuple[str, str]:
    """What the command prints, and why its exit status is 1."""
    output = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("data_quality", "--symbol=ETHUSDT", *map(str, arguments), stdout=output)
    assert caught.value.returncode == 1
    return output.getvalue(), str(caught.value)


def test_data_quality_says_what_is_not_fine(
    ethereum: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    repeated = metrics_csv(metrics(0)).splitlines()
    put_csv(tmp_path, metrics(0), "\n".join([*repeated, repeated[-1]]) + "\n")
    put_csv(tmp_path, metrics(2), without_lines(metrics_csv(metrics(2)), 100, 113))
    load_days(ethereum, 0, 2, source="folder", folder=str(tmp_path))
    text, problem = quality_fails()
    assert problem == "ETHUSDT: days not in the lake: 1 of metrics."
    assert "metrics, 2024-11-01 to 2024-11-03: 1 unverified, 1 partial, 1 missing upstream" in text
    assert (
        "563 rows; 2 files, 2 of them unverified; 0 rows quarantined, 1 duplicates left out" in text
    )
    assert "2024-11-02  missing upstream  " in text
    assert "2024-11-03  partial           275 of 288 filled" in text
    report = json.loads(quality_fails("--json")[0])
    (found,) = report["datasets"]
    assert (found["rows"], found["files"], found["duplicates"]) == (563, 2, 1)
    assert found["counts"] == {"unverified": 1, "partial": 1, "missing_upstream": 1}
    assert [one["day"] for one in found["days"]] == ["2024-11-01", "2024-11-02", "2024-11-03"]
    assert str(tmp_path) in found["days"][1]["reason"]
    assert IngestionJob.objects.count() == 1


def test_loaded_days_are_no_failure_of_data_quality_even_when_they_are_cut_off(
    ethereum: Symbol, lake: LakeConfig, tmp_path: Path
) -> None:
    put_csv(tmp_path, metrics(0), without_lines(metrics_csv(metrics(0)), 100, 113))
    load_days(ethereum, 0, 1, source="folder", folder=str(tmp_path))
    narrow = said("data_quality", "--symbol", "ETHUSDT", "--end-date", "2024-11-01")
    assert "partial" in narrow and "missing upstream" not in narrow


def test_a_day_that_is_not_over_is_no_failure_of_data_quality(
    ethereum: Symbol, archive: ArchiveServer, tmp_path: Path
) -> None:
    put_csv(tmp_path, metrics(0))
    load_days(ethereum, 0, 0, source="folder", folder=str(tmp_path))
    with read.snapshot() as cursor:
        (found,) = check(cursor, "ETHUSDT", day(0), day(1))
    assert found.missing_days(day(1)) == []
    assert [one.day for one in found.missing_days(day(2))] == [day(1)]


def test_check_data_is_another_name_of_data_quality(ethereum: Symbol, lake: LakeConfig) -> None:
    with pytest.raises(CommandError, match="Nothing of ETHUSDT is"):
        call_command("check_data", "--symbol=ETHUSDT")


def test_nothing_known_is_a_failure_of_data_quality(ethereum: Symbol, lake: LakeConfig) -> None:
    assert "Nothing of ETHUSDT" in quality_fails()[1]
