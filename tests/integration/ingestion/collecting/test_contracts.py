from ingestion.collecting import (
    archive_sync,
    candles,
    checksums,
    contracts,
    liquidations,
    open_interest,
)
from ingestion.models import CollectorState
from liqheat_project.celery import app
from tests.support.exchange import HANG_UP


def state_of(symbol=""):
    return CollectorState.objects.get(collector="contracts", symbol=symbol)


def test_symbols_that_are_not_traded_have_a_clear_state_until_they_are(exchange, enable, settings):
    enable("BTCUSDT", "ETHUSDT", "MATICUSDT")
    exchange.delisted.add("BTCUSDT")
    entry = settings.CELERY_BEAT_SCHEDULE["check-contracts"]
    assert settings.CELERY_TASK_ROUTES[entry["task"]] == {"queue": "live"}
    for _ in range(2):
        app.tasks[entry["task"]]()
    assert state_of("BTCUSDT").last_error.startswith("BTCUSDT: the exchange lists it as SETTLING")
    assert "another name, as MATICUSDT does as POLUSDT" in state_of("MATICUSDT").last_error
    assert state_of("MATICUSDT").errors_in_a_row == 2
    assert state_of().details == {"symbols": 3, "not_traded": 2}
    assert state_of().errors_in_a_row == 0
    exchange.delisted.clear()
    enable("BTCUSDT", "ETHUSDT")
    contracts.collect()
    assert CollectorState.objects.get().symbol == ""


def test_one_odd_contract_hides_no_other(exchange, enable):
    enable("BTCUSDT", "ETHUSDT", "MATICUSDT")
    exchange.delisted.add("BTCUSDT")
    exchange.odd.add("ETHUSDT")
    contracts.collect()
    assert state_of().details == {"symbols": 3, "not_traded": 3}
    assert "in a form that is not known here" in state_of("ETHUSDT").last_error
    assert "lists it as SETTLING" in state_of("BTCUSDT").last_error


def test_without_an_enabled_symbol_nothing_is_asked_or_due_or_wrong(exchange, enable):
    enable("MATICUSDT")
    contracts.collect()
    exchange.script(HANG_UP)
    contracts.collect()
    asked = exchange.count()
    assert state_of().errors_in_a_row == 1
    enable()
    contracts.collect()
    assert exchange.count() == asked
    (state,) = CollectorState.objects.all()
    assert (state.symbol, state.next_run, state.errors_in_a_row) == ("", None, 0)


def test_nothing_is_collected_where_it_is_turned_off(exchange, enable, settings):
    settings.COLLECT = False
    enable("ETHUSDT")
    for module in (archive_sync, candles, checksums, contracts, open_interest):
        assert not module.collect()
    assert exchange.count() == 0
    assert liquidations.enabled_symbols() == []
    assert not CollectorState.objects.exists()
