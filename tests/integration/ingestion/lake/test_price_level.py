"""Files whose prices contradict the days beside them."""

import pytest

from ingestion.errors import FarPrices
from ingestion.lake import LakeConfig
from tests.support.archive_files import klines_csv
from tests.support.lake_days import count, day, put
from tests.unit.ingestion.lake.parsing import with_cell

TABLE = "klines_5m_history"


def candles(number: int, price: float = 100.0, accept_bad: bool = False) -> None:
    file = day(number=number, dataset="klines", interval="5m")
    put(file, content=klines_csv(file, price), accept_bad=accept_bad)


def test_a_file_far_from_the_days_beside_it_needs_a_decision(lake: LakeConfig) -> None:
    candles(0)
    candles(1, 900.0)
    for number, price in ((2, 90_000.0), (1, 2.5)):
        with pytest.raises(FarPrices, match=r"median price of .* the days beside it \(.*accept"):
            candles(number, price)
    assert count(table=TABLE) == 2 * 288
    candles(2, 90_000.0, accept_bad=True)
    candles(3, 80_000.0)  # the price did move so far
    candles(9, 5.0)  # nothing is known of the days beside it
    file = day(number=10, dataset="klines", interval="5m")
    put(file, content=with_cell(klines_csv(file, 30.0), 200, 2, "100"))  # its median is near
    assert count(table=TABLE) == 6 * 288
