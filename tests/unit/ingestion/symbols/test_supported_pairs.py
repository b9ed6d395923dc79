"""The table in words, and the command that prints it."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from ingestion.models import Symbol
from ingestion.symbols.states import SymbolState
from ingestion.symbols.supported_pairs import Pair, markdown

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
START = datetime(2024, 9, 1, tzinfo=UTC)


def pair(end: datetime = NOW, name: str = "BTCUSDT", **fields) -> Pair:
    return Pair(Symbol(name=name, **fields), SymbolState.CANDIDATE, START, end, NOW)


def test_a_row_as_the_runbook_has_it():
    approved = {"verdict": "approved", "hit_rate": 0.751, "approved_until": NOW + timedelta(1)}
    found = Pair(
        Symbol(name="BTCUSDT", **approved), SymbolState.APPROVED, START, NOW - timedelta(1), NOW
    )
    assert markdown([found]).splitlines() == [
        "| Symbol | Status | Validation | Coverage |",
        "| --- | --- | --- | --- |",
        "| BTC/USDT | approved | Hit rate: 0.75 | Sep 2024 - present |",
    ]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "not validated"),
        ({"verdict": "no_reference"}, "no reference"),
        ({"verdict": "no_reference", "hit_rate": 0.8}, "Hit rate: 0.80, no reference"),
        ({"verdict": "rejected", "hit_rate": 0.3}, "Hit rate: 0.30, rejected"),
        (
            {"verdict": "approved", "hit_rate": 0.8, "approved_until": NOW},
            "Hit rate: 0.80, expired",
        ),
    ],
)
def test_what_the_validation_came_to(fields, text):
    assert pair(**fields).cells[2] == text


def test_old_data_do_not_reach_the_present():
    assert pair(NOW - timedelta(days=2)).cells[3] == "Sep 2024 - present"
    assert pair(NOW - timedelta(days=3)).cells[3] == "Sep 2024 - Nov 2026"
    assert pair(datetime(2026, 11, 1, tzinfo=UTC)).cells[3] == "Sep 2024 - Oct 2026"
    assert Pair(Symbol(), SymbolState.REGISTERED, None, None, NOW).cells[3] == "no data"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1000PEPEUSDT", "1000PEPE/USDT"),
        ("BTCUSDC", "BTC/USDC"),
        ("BTCUSDT_251226", "BTCUSDT_251226"),
        ("USDT", "USDT"),
    ],
)
def test_names_with_a_slash_where_they_end_in_a_quote(name, text):
    assert pair(name=name).cells[0] == text


@pytest.mark.parametrize("arguments", [[], ["--markdown"]])
def test_the_command_prints_every_registered_symbol(lake, db, arguments):
    output = io.StringIO()
    call_command("supported_pairs", *arguments, stdout=output)
    lines = output.getvalue().splitlines()
    assert len(lines) == len(Symbol.objects.all()) + (2 if arguments else 1)
    (line,) = (line for line in lines if "ETH/USDT" in line)
    assert all(text in line for text in ("registered", "not validated", "no data"))
