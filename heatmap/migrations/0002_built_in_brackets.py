"""Brackets of the roadmap's ten symbols and DEFAULT, from heatmap/data/brackets.csv.

Binance's figures of 2026-05-01. MATICUSDT has those of POLUSDT, as which it goes on; DEFAULT has
the table that most of Binance's symbols shared on that day.
"""

import csv
from datetime import UTC, datetime
from pathlib import Path

from django.db import migrations

FILE = Path(__file__).resolve().parent.parent / "data" / "brackets.csv"
VALID_FROM = datetime(2026, 5, 1, tzinfo=UTC)
SOURCE = "built in: Binance, 2026-05-01"
SOURCES = {
    "MATICUSDT": f"{SOURCE}, those of POLUSDT",
    "DEFAULT": f"{SOURCE}, the most common table",
}


def add(apps, schema_editor):
    BracketTable = apps.get_model("heatmap", "BracketTable")
    Bracket = apps.get_model("heatmap", "Bracket")
    tables = {}
    with FILE.open(newline="") as lines:
        for row in csv.DictReader(lines):
            symbol = row["symbol"]
            if symbol not in tables:
                tables[symbol] = BracketTable.objects.create(
                    symbol=symbol, valid_from=VALID_FROM, source=SOURCES.get(symbol, SOURCE)
                )
            Bracket.objects.create(
                table=tables[symbol],
                notional_floor=float(row["notional_floor"]),
                notional_cap=float(row["notional_cap"]),
                maintenance_margin_rate=float(row["mmr"]),
                max_leverage=float(row["max_leverage"]),
                cum=float(row["cum"]),
            )


class Migration(migrations.Migration):
    dependencies = [("heatmap", "0001_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
