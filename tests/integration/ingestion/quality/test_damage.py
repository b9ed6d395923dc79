"""Files of the lake whose bytes were flipped: found, named, and their days loaded anew."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from ingestion import lake
from ingestion.errors import TemporaryError
from ingestion.lake import LakeConfig, merge_small_files, read, record_new, writer
from ingestion.loading import jobs, load
from ingestion.market.files import plan_files
from ingestion.models import (
    CollectorState,
    DamagedFile,
    IngestionJob,
    RollBack,
    Symbol,
    SymbolEvent,
)
from ingestion.quality import damage
from ingestion.quality import report as quality
from ingestion.symbols import rollback
from liqheat_project.ops import health
from liqheat_project.ops.diagnosis import data
from liqheat_project.ops.diagnosis.findings import Outcome
from tests.support.archive_files import put_zip
from tests.support.archive_server import ArchiveServer
from tests.support.lake_days import FIRST, count, current_fingerprint, day, put

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

TABLE = "klines_5m_history"
LAST = day(number=2).start
Act = SymbolEvent.Act


@pytest.fixture
def candles(ethereum: Symbol, lake: LakeConfig) -> LakeConfig:
    """Three days of 5m candles in one file."""
    put(*(day(number=number, dataset="klines", interval="5m") for number in range(3)))
    return lake


@pytest.fixture
def archive(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """The folder of an archive that has the same days."""
    for file in plan_files("ETHUSDT", "klines", "5m", FIRST, LAST):
        put_zip(tmp_path, file)
    with ArchiveServer(tmp_path) as server:
        settings.ARCHIVE_BASE_URL = server.url
        yield tmp_path


def run(job: IngestionJob | None) -> None:
    assert job
    for chunk in job.chunks.all():
        load.load_chunk(chunk.pk)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error


def files_of(table: str | None = TABLE) -> list[lake.LakeFile]:
    with read.snapshot() as cursor:
        return lake.list_files(cursor, table=table)


def flip(config: LakeConfig, table: str = TABLE, at: float = 0.1) -> Path:
    """Flip a bit of the table's one data file, a share of its length from its beginning."""
    (file,) = (file for file in files_of(table) if not file.deletes)
    path = config.data_path / file.path
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)
    return path


def make_unreadable(config: LakeConfig) -> Path:
    path = flip(config)
    path.write_bytes(b"-" * path.stat().st_size)
    return path


def states() -> dict[str, int]:
    with read.snapshot() as cursor:
        (found,) = quality.check(cursor, "ETHUSDT")
    return {str(state): number for state, number in found.counts.items()}


def texts(act: Act) -> list[str]:
    return list(SymbolEvent.objects.filter(act=act).values_list("text", flat=True))


def test_every_file_has_a_checksum_of_the_commit_or_of_the_maintenance_that_made_it(
    candles: LakeConfig,
) -> None:
    assert record_new(writer()) == 0  # the commit wrote it
    merge_small_files(writer())
    assert record_new(writer()) == 0
    found = writer().cursor().execute("SELECT path FROM lake.file_checksums").fetchall()
    names = [file.path for file in files_of(None)]
    assert sorted(path for (path,) in found) == names
    assert any("loaded_files" in path for path in names)


def test_a_flipped_bit_is_named_everywhere_and_a_click_loads_its_days_anew(
    candles: LakeConfig, archive: Path, staff: Callable[..., Client], capsys: Any
) -> None:
    before = current_fingerprint("ETHUSDT")
    call_command("data_quality", verify=True)
    assert "are what they were" in capsys.readouterr().out
    path = flip(candles)
    with pytest.raises(CommandError, match=r"1 of \d+ files of the lake are damaged"):
        call_command("data_quality", verify=True, symbol="ETHUSDT")
    assert f"ETHUSDT klines 5m, {FIRST} to {LAST}: its bytes" in capsys.readouterr().err

    assert states() == {"damaged": 3}
    finding = data.files_of_the_lake(Symbol.objects.get(name="ETHUSDT"))
    assert finding.outcome == Outcome.FAIL and path.name in finding.found
    assert f"--start-date {FIRST} --end-date {LAST} --interval 5m --reload`" in finding.advice
    for checks in (health._checks, health._upkeep):
        checks.forget()
    answer = Client().get("/health").json()
    assert answer["upkeep"]["files"] == f"damaged: ETHUSDT klines 5m, {FIRST} to {LAST}"
    assert answer["status"] in ("degraded", "failing")
    (text,) = texts(Act.DAMAGE_FOUND)
    assert path.name in text

    address = "/admin/ingestion/damagedfile/"
    chosen = {"action": "load_anew", "_selected_action": [DamagedFile.objects.get().pk]}
    staff("view_damagedfile").post(address, chosen)
    assert DamagedFile.objects.exists()
    ada = staff("view_damagedfile", "change_damagedfile")
    assert path.name in ada.get(address).content.decode()
    assert b"Damaged: ETHUSDT klines 5m" in ada.get("/admin/ingestion/collectorstate/").content
    page = ada.post(address, chosen, follow=True).content.decode()
    assert "loaded anew by" in page
    assert count(table=TABLE) == 0
    run(IngestionJob.objects.first())
    assert current_fingerprint("ETHUSDT") == before
    assert not DamagedFile.objects.exists()
    (text,) = texts(Act.DAMAGE_REMOVED)
    kept = candles.data_path / "damaged" / f"{path.relative_to(candles.data_path)}.kept"
    assert str(kept) in text and kept.read_bytes() == path.read_bytes()


def test_a_round_compares_a_share_of_the_files_and_goes_on_where_it_ended(
    candles: LakeConfig, settings: Any
) -> None:
    settings.LAKE_VERIFY_DAYS = 3
    put(day(dataset="klines", interval="15m"), day(dataset="klines", interval="15m", number=1))
    put(day())
    files = len(files_of(None))
    flip(candles)
    seen = []
    for _ in range(3):
        damage.verify_share()
        state = CollectorState.objects.get(collector=damage.COLLECTOR)
        assert state.errors_in_a_row == 0
        seen.append(state.details["compared"])
    assert sum(seen) >= files > max(seen)
    assert DamagedFile.objects.get().table == TABLE


def test_maintenance_does_not_copy_damage_into_a_file_with_a_good_checksum(
    candles: LakeConfig,
) -> None:
    path = flip(candles)
    put(day(number=3, dataset="klines", interval="5m"))
    damage.merge_small_files()
    assert DamagedFile.objects.get().path == str(path.relative_to(candles.data_path))
    assert len(files_of()) == 2
    assert states() == {"unverified": 1, "damaged": 3}


def test_a_day_of_an_unreadable_file_is_reloaded_and_its_other_days_with_it(
    candles: LakeConfig, archive: Path, ethereum: Symbol
) -> None:
    make_unreadable(candles)
    run(jobs.create_job(ethereum, ["klines 5m"], FIRST, FIRST, reload=True))
    assert count(table=TABLE) == 288
    assert not DamagedFile.objects.exists()
    others = IngestionJob.objects.get(requested_by=None, start_date__gt=FIRST)
    assert [chunk.start for chunk in others.chunks.all()] == [day(number=1).start, LAST]


def test_a_roll_back_says_what_it_could_not_keep(
    candles: LakeConfig, ethereum: Symbol, capsys: Any
) -> None:
    put(day(dataset="klines", interval="15m"))
    path = make_unreadable(candles)
    call_command("rollback_symbol", "ETHUSDT", yes=True)
    made = RollBack.objects.get()
    assert made.rows == {"klines_15m_history": 96}
    assert "ETHUSDT klines 5m" in made.note and made.note in texts(Act.ROLLED_BACK)[0]
    output = capsys.readouterr().err
    assert "cannot be counted" in output and made.note in output
    assert list((candles.data_path / "damaged").rglob(f"{path.name}.kept"))
    rollback.undo(made)
    assert (count(table=TABLE), count(table="klines_15m_history")) == (0, 96)


def test_a_backups_file_in_its_place_ends_the_finding(candles: LakeConfig) -> None:
    good = {path: path.read_bytes() for path in candles.data_path.rglob("*.parquet")}
    path = flip(candles)
    assert len(damage.verify().damaged) == 1
    path.write_bytes(good[path])
    assert damage.verify().damaged == []
    path.unlink()
    assert damage.verify("ETHUSDT").damaged[0].reason == "it is missing"
    path.symlink_to(path)
    with pytest.raises(TemporaryError, match="symbolic links"):
        damage.verify()  # it may be opened another time


def test_the_api_says_why_it_cannot_answer(candles: LakeConfig, ethereum: Symbol) -> None:
    ethereum.enabled = True
    ethereum.save()
    make_unreadable(candles)
    put(day("BTCUSDT", dataset="klines", interval="5m"))
    answer = Client().get("/prices/klines", {"symbol": "ETHUSDT", "interval": "5m"})
    assert answer.status_code == 503
    (error,) = json.loads(answer.content)["errors"]
    assert "is damaged" in error["detail"] and "/data/quality" in error["detail"]
    rows = {row["symbol"]: row for row in Client().get("/symbols").json()["symbols"]}
    assert {name for name, row in rows.items() if row["damaged"]} == {"ETHUSDT"}
    assert rows["ETHUSDT"]["text"]["coverage"] == "damaged"
    assert rows["BTCUSDT"]["coverage"]["data_start"] == "2024-11-01T00:00:00Z"
    damage.verify("ETHUSDT")  # what the worker does that was told of it
    answer = Client().get("/data/quality", {"symbol": "ETHUSDT"})
    assert answer.json()["datasets"][0]["counts"] == {"damaged": 3}
