"""The roadmap's ten symbols, registered and disabled. Tick sizes as in Binance's exchangeInfo."""

from decimal import Decimal

from django.db import migrations

TICK_SIZES = {
    "BTCUSDT": "0.10",
    "ETHUSDT": "0.01",
    "BNBUSDT": "0.010",
    "ADAUSDT": "0.00010",
    "DOGEUSDT": "0.000010",
    "XRPUSDT": "0.0001",
    "SOLUSDT": "0.0100",
    "DOTUSDT": "0.001",
    "MATICUSDT": "0.0001",
    "LINKUSDT": "0.001",
}
NOTES = {"MATICUSDT": "Binance renamed it to POLUSDT in September 2024; its archive ends there."}


def register(apps, schema_editor):
    Symbol = apps.get_model("ingestion", "Symbol")
    for name, tick_size in TICK_SIZES.items():
        Symbol.objects.get_or_create(
            name=name, defaults={"tick_size": Decimal(tick_size), "note": NOTES.get(name, "")}
        )


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0001_initial")]
    operations = [migrations.RunPython(register, migrations.RunPython.noop)]
