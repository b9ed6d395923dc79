"""The admin's roll backs: of some days, undone, given up; and the audit log."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client

from ingestion.lake import Days, LakeConfig, bytes_kept
from ingestion.models import RollBack, Symbol, SymbolEvent
from ingestion.symbols import rollback
from tests.support.lake_days import FIRST, count, current_fingerprint, day, put

pytestmark = pytest.mark.django_db

LIST = "/admin/ingestion/rollback/"
AUDIT = "/admin/ingestion/symbolevent/"
ROLL_BACK = "/admin/ingestion/symbol/roll-back/"
FIRST_DAY = {"symbols": ["ETHUSDT"], "start_date": str(FIRST), "end_date": str(FIRST)}


@pytest.fixture
def loaded(ethereum: Symbol, bitcoin: Symbol, lake: LakeConfig) -> Symbol:
    for name in ("ETHUSDT", "BTCUSDT"):
        for number in range(2):
            put(day(name, number, "klines", "5m"))
    rollback.set_enabled(ethereum, True)
    return ethereum


def text_of(response: HttpResponse) -> str:
    return " ".join(response.content.decode().split())


def shown_messages(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def candles(symbol: str = "ETHUSDT") -> int:
    return count(symbol, "klines_5m_history")


def test_some_days_are_rolled_back_and_brought_back(
    superuser: Client, loaded: Symbol, lake: LakeConfig
) -> None:
    before, other = current_fingerprint("ETHUSDT"), current_fingerprint("BTCUSDT")
    page = text_of(superuser.get(ROLL_BACK, FIRST_DAY))
    assert f"ETHUSDT will be rolled back: {FIRST}" in page
    assert "It is enabled and stays so" in page
    assert "288 rows will be removed" in page and "288 rows of ETHUSDT stay" in page
    assert candles() == 576

    superuser.post(ROLL_BACK, FIRST_DAY)
    made = RollBack.objects.get()
    assert (candles(), made.rows) == (288, {"klines_5m_history": 288})
    assert (made.first_day, made.last_day, made.by.username) == (FIRST, FIRST, "ada")
    loaded.refresh_from_db()
    assert loaded.enabled
    page = text_of(superuser.get(LIST))
    assert f"until {made.expires_at:%Y-%m-%d %H:%M}" in page and "by ada" in page

    page = text_of(superuser.get(f"{LIST}{made.pk}/undo/"))
    assert "288" in page and "2024-11-01 23:55:00" in page and "the API serves the rows" in page
    response = superuser.post(f"{LIST}{made.pk}/undo/")
    assert "288 rows are back" in shown_messages(response)
    assert current_fingerprint("ETHUSDT") == before
    assert current_fingerprint("BTCUSDT") == other
    made.refresh_from_db()
    assert made.undone_by.username == "ada" and bytes_kept(lake, made.kept_as.hex) == 0
    assert "undone" in text_of(superuser.get(LIST))
    again = superuser.get(f"{LIST}{made.pk}/undo/")
    assert "be undone any more" in shown_messages(again)
    assert "was undone" in shown_messages(superuser.post(f"{LIST}{made.pk}/undo/"))


def test_days_loaded_again_are_shown_and_keep_the_undo_from_happening(
    superuser: Client, loaded: Symbol
) -> None:
    made = rollback.roll_back(loaded)
    put(day("ETHUSDT", 1, "klines", "5m"))
    response = superuser.get(f"{LIST}{made.pk}/undo/")
    page = text_of(response)
    assert "the same days hold rows again" in page and "Undo the roll back<" not in page
    assert [table.rows for table in response.context["in_the_way"]] == [288, 1]
    refused = superuser.post(f"{LIST}{made.pk}/undo/")
    assert "holds rows again" in shown_messages(refused)
    assert candles() == 288


@pytest.mark.parametrize(
    "days",
    [
        {"start_date": "2024-11-02", "end_date": "2024-11-01"},
        {"start_date": "", "end_date": "9999-12-31"},
        {"start_date": "0001-01-01", "end_date": ""},
        {"start_date": "yesterday", "end_date": ""},
    ],
)
def test_days_that_cannot_be_change_nothing(
    superuser: Client, loaded: Symbol, days: dict[str, str]
) -> None:
    for ask in (superuser.get, superuser.post):
        response = ask(ROLL_BACK, {"symbols": ["ETHUSDT"]} | days)
        assert response.context["form"].errors
        assert "will be rolled back" not in text_of(response)
    assert (candles(), RollBack.objects.count()) == (576, 0)


def test_the_disk_is_freed_on_demand(superuser: Client, loaded: Symbol, lake: LakeConfig) -> None:
    made = rollback.roll_back(loaded)
    page = text_of(superuser.get(f"{LIST}{made.pk}/give-up/"))
    assert "will be freed, and the roll back can&#x27;t be undone" in page or "can't be" in page
    assert bytes_kept(lake, made.kept_as.hex) == made.bytes_kept > 1000
    superuser.post(f"{LIST}{made.pk}/give-up/")
    assert bytes_kept(lake, made.kept_as.hex) == 0
    assert "given up" in text_of(superuser.get(LIST))
    assert "Nothing is kept" in shown_messages(superuser.get(f"{LIST}{made.pk}/give-up/"))


def test_only_those_who_may_roll_back_may_undo(
    loaded: Symbol, staff: Callable[..., Client]
) -> None:
    made = rollback.roll_back(loaded, Days(FIRST, FIRST))
    pages = [LIST, f"{LIST}{made.pk}/undo/", f"{LIST}{made.pk}/give-up/"]
    outsider = staff("view_symbol", "change_symbol", "load_data")
    insider = staff("roll_back")
    for address in pages:
        assert Client().get(address).headers["Location"].startswith("/admin/login/")
        assert outsider.get(address).status_code == 403
        assert insider.get(address).status_code == 200
    for address in pages[1:]:
        assert outsider.post(address).status_code == 403
    assert made.can_be_undone and candles() == 288


def test_nobody_changes_the_audit_log(
    superuser: Client, loaded: Symbol, staff: Callable[..., Client], django_user_model: Any
) -> None:
    rollback.set_enabled(loaded, False, django_user_model.objects.get(username="ada"))
    event = SymbolEvent.objects.latest("pk")
    page = text_of(superuser.get(AUDIT))
    assert "Disabled" in page and "ada" in page
    of_symbol = SymbolEvent.objects.filter(symbol="ETHUSDT")  # logins are of none
    assert of_symbol.count() == 2
    for question, expected in (
        ({"act__exact": "disabled"}, 1),
        ({"symbol": "ETHUSDT"}, 2),
        ({"symbol": "BTCUSDT"}, 0),
        ({"by__id__exact": event.by.pk, "symbol": "ETHUSDT"}, 1),
        ({"at__gte": "2999-01-01 00:00:00+00:00"}, 0),
    ):
        assert superuser.get(AUDIT, question).context["cl"].result_count == expected, question
    assert superuser.get(f"{AUDIT}add/").status_code == 403
    for act in ("change", "delete"):
        assert superuser.post(f"{AUDIT}{event.pk}/{act}/", {"text": "x"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
    superuser.post(AUDIT, data)
    assert of_symbol.count() == 2
    assert staff("view_symbol").get(AUDIT).status_code == 403
    assert staff("view_symbolevent").get(AUDIT).status_code == 200


def test_the_page_of_a_symbol_shows_its_last_events(superuser: Client, loaded: Symbol) -> None:
    rollback.roll_back(loaded, Days(FIRST, FIRST))
    page = text_of(superuser.get(f"/admin/ingestion/symbol/{loaded.pk}/change/"))
    assert "Rolled back" in page and "288 klines_5m_history" in page
