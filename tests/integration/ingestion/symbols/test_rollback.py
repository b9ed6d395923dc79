"""Enabling, rolling back and undoing, as the admin and the commands call them."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError

from ingestion import lake as lake_package
from ingestion import tasks
from ingestion.errors import LakeBusy, NothingKept, RefusedRange, RowsInTheWay
from ingestion.lake import Days, LakeConfig, bytes_kept, remove_symbol, write_lock
from ingestion.models import RollBack, Symbol, SymbolEvent
from ingestion.symbols import rollback
from tests.support.archive_files import klines_csv
from tests.support.lake_days import FIRST, count, current_fingerprint, day, put

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

Act = SymbolEvent.Act


def events(symbol: Symbol) -> list[tuple[str, str | None, dict[str, int]]]:
    found = SymbolEvent.objects.filter(symbol=symbol.name).order_by("pk")
    return [(event.act, event.by and event.by.username, event.counts) for event in found]


@pytest.fixture
def ada(django_user_model: Any) -> Any:
    return django_user_model.objects.create_user("ada")


def test_every_act_is_in_the_audit_log(ethereum: Symbol, lake: LakeConfig, ada: Any) -> None:
    for number in range(2):
        put(day("ETHUSDT", number, "klines", "5m"))
    assert rollback.set_enabled(ethereum, True, ada)
    assert not rollback.set_enabled(ethereum, True, ada)
    before = current_fingerprint("ETHUSDT")
    made = rollback.roll_back(ethereum, by=ada)
    rollback.undo(made)
    assert current_fingerprint("ETHUSDT") == before
    made = rollback.roll_back(ethereum, Days(FIRST, FIRST))
    freed = made.bytes_kept
    assert freed == bytes_kept(lake, made.kept_as.hex) > 0
    rollback.give_up(made, ada)
    taken = {"klines_5m_history": 576, "files": 2, "quarantined": 0}
    assert events(ethereum) == [
        (Act.ENABLED, "ada", {}),
        (Act.DISABLED, "ada", {}),
        (Act.ROLLED_BACK, "ada", taken | {"jobs cancelled": 0}),
        (Act.ROLL_BACK_UNDONE, None, taken),
        (
            Act.ROLLED_BACK,
            None,
            {"klines_5m_history": 288, "files": 1, "quarantined": 0, "jobs cancelled": 0},
        ),
        (Act.UNDO_GIVEN_UP, "ada", {"bytes freed": freed}),
    ]


def test_a_process_killed_after_its_removal_leaves_it_to_be_undone(
    ethereum: Symbol, lake: LakeConfig
) -> None:
    put(day("ETHUSDT"))
    made = RollBack.objects.create(symbol="ETHUSDT")
    remove_symbol(lake_package.writer(), "ETHUSDT", keep_as=made.kept_as.hex)
    rollback.undo(made)
    made.refresh_from_db()
    assert (count(), made.rows) == (100, {"aggtrades_history": 100})


def test_a_process_killed_after_its_undo_may_be_asked_again(
    ethereum: Symbol, lake: LakeConfig
) -> None:
    put(day("ETHUSDT"))
    made = rollback.roll_back(ethereum)
    lake_package.undo_removal(lake_package.writer(), made.kept_as.hex)
    rollback.undo(made)
    assert count() == 100
    with pytest.raises(NothingKept, match="was undone"):
        rollback.undo(made)


def test_a_refused_undo_stays_possible(ethereum: Symbol, lake: LakeConfig) -> None:
    file = day("ETHUSDT", 0, "klines", "5m")
    put(file)
    before = current_fingerprint("ETHUSDT")
    made = rollback.roll_back(ethereum)
    put(file, content=klines_csv(file, 200.0))
    with pytest.raises(RowsInTheWay, match="288 of klines_5m_history"):
        rollback.undo(made)
    again = rollback.roll_back(ethereum)
    rollback.undo(made)
    assert current_fingerprint("ETHUSDT") == before
    assert again.can_be_undone
    assert [act for act, _, _ in events(ethereum)].count(Act.ROLL_BACK_UNDONE) == 1


def test_a_busy_lake_leaves_no_roll_back_behind(
    ethereum: Symbol, lake: LakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(day("ETHUSDT"))
    monkeypatch.setattr(write_lock.__wrapped__, "__defaults__", (0.2,))  # type: ignore[attr-defined]
    with write_lock(lake), pytest.raises(LakeBusy):
        rollback.roll_back(ethereum)
    assert (count(), RollBack.objects.count()) == (100, 0)
    assert not [path for path in Path(lake.data_path, "undo").rglob("*") if path.is_file()]


def test_the_disk_is_freed_when_the_time_is_over(
    ethereum: Symbol, lake: LakeConfig, settings: Any
) -> None:
    for number in range(2):
        put(day("ETHUSDT", number))
    old, young = (
        rollback.roll_back(ethereum, Days(FIRST + timedelta(number), FIRST + timedelta(number)))
        for number in range(2)
    )
    old.at -= timedelta(days=settings.LAKE_UNDO_DAYS)
    old.save()
    tasks.maintain_lake()
    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.can_be_undone, young.can_be_undone) == (False, True)
    assert bytes_kept(lake, old.kept_as.hex) == old.bytes_kept == 0
    assert bytes_kept(lake, young.kept_as.hex) == young.bytes_kept > 0
    assert SymbolEvent.objects.get(act=Act.UNDO_GIVEN_UP).text.endswith("7 days are over.")


def test_what_was_undone_meanwhile_is_not_given_up(ethereum: Symbol, lake: LakeConfig) -> None:
    put(day("ETHUSDT"))
    made = rollback.roll_back(ethereum)
    seen_before = RollBack.objects.get(pk=made.pk)
    rollback.undo(made)
    assert rollback.give_up(seen_before) == 0
    made.refresh_from_db()
    assert (made.undone_at is None, made.given_up_at) == (False, None)
    assert not SymbolEvent.objects.filter(act=Act.UNDO_GIVEN_UP).exists()


@pytest.mark.parametrize("act", ["enable", "undo"])
def test_nothing_is_changed_that_the_audit_log_does_not_say(
    ethereum: Symbol, lake: LakeConfig, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    put(day("ETHUSDT"))
    made = rollback.roll_back(ethereum)

    def fail(*_: object, **__: object) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(rollback.audit, "record", fail)
    with pytest.raises(DatabaseError):
        rollback.undo(made) if act == "undo" else rollback.set_enabled(ethereum, True)
    ethereum.refresh_from_db()
    made.refresh_from_db()
    assert (ethereum.enabled, made.undone_at) == (False, None)
    monkeypatch.undo()
    rollback.undo(made)  # what is kept is still there
    assert count() == 100


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2024, 11, 2), date(2024, 11, 1)),
        (date(1, 1, 1), None),
        (None, date(9999, 12, 31)),
    ],
)
def test_days_that_cannot_be_are_refused(first: date | None, last: date | None) -> None:
    with pytest.raises(RefusedRange):
        rollback.days_between(first, last)
