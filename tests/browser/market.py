"""The browser tests' market, loaded in a process of its own: `python -m tests.browser.market DIR`.
With a symbol and a day as well, only a plain day of that symbol.

BTCUSDT has three whole days; ETHUSDT's open interest of the second day is missing.
"""

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

FIRST = date(2026, 1, 5)
DAYS = 3
LAST = FIRST + timedelta(days=DAYS - 1)
MISSING = FIRST + timedelta(days=1)
USER, PASSWORD = "admin", "a password for the browser tests"
SYMBOLS = ("BTCUSDT", "ETHUSDT")
END_MS = int(datetime.combine(LAST, datetime.min.time(), UTC).timestamp() * 1000) + 86_400_000


def write_files(folder: Path) -> None:
    from validation.synthetic.archive import write_archive
    from validation.synthetic.market import simulate_market
    from validation.synthetic.parameters import MarketParameters

    parameters = MarketParameters(trades_per_day=10_000, openings_per_day=2_000)
    for symbol in SYMBOLS:
        market = simulate_market(symbol, END_MS - DAYS * 86_400_000, DAYS, 7, parameters)
        write_archive(market, folder)
    daily = folder / "data/futures/um/daily/metrics/ETHUSDT"
    (daily / f"ETHUSDT-metrics-{MISSING}.zip").unlink()


def load(folder: Path) -> None:
    """Makes the tables, collects the static files and loads the market, as a user would."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    User.objects.create_superuser(USER, password=PASSWORD)
    for name in SYMBOLS:
        load_days(folder, name, FIRST, LAST)


def load_days(folder: Path, name: str, first: date, last: date) -> None:
    from ingestion.loading import jobs
    from ingestion.loading.load import run_here
    from ingestion.models import Symbol

    symbol = Symbol.objects.get(name=name)
    datasets = ["klines 5m", "metrics"]
    job = jobs.create_job(symbol, datasets, first, last, source="folder", folder=str(folder))
    run_here(job, lambda job: None)
    Symbol.objects.filter(name=name).update(enabled=True)


def load_plain_day(folder: Path, name: str, day: date) -> None:
    from ingestion.market.files import plan_files
    from tests.support.archive_files import put_csv

    for file in plan_files(name, "klines", "5m", day, day) + plan_files(
        name, "metrics", None, day, day
    ):
        put_csv(folder, file)
    load_days(folder, name, day, day)


if __name__ == "__main__":
    import django

    django.setup()
    directory, *plain = sys.argv[1:]
    if plain:
        load_plain_day(Path(directory), plain[0], date.fromisoformat(plain[1]))
    else:
        write_files(Path(directory))
        load(Path(directory))
