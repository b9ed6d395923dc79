import pytest

from validation.backtest.liquidated import Liquidated


@pytest.mark.parametrize(
    ("modelled", "recorded", "remarks"),
    [
        (100.0, 30.0, []),
        (100.0, None, []),
        (1000.0, 30.0, ["33.3 times recorded", "10 times the fall of open interest"]),
        (10.0, 30.0, ["0.1 times the fall of open interest"]),
    ],
)
def test_a_factor_of_five_is_said(modelled, recorded, remarks):
    assert Liquidated(7, modelled, 100.0, recorded).remarks == remarks
