import numpy as np

from heatmap.engine import LONG, Book, explain
from heatmap.engine.book import BookSide


def test_at_a_price_of_0_the_shares_are_those_of_the_contracts():
    """Longs that are liquidated there are worth nothing."""
    longs = BookSide(
        liquidation_price=np.zeros(2),
        quantity=np.array([1.0, 3.0]),
        entry_time=np.array([1, 2]),
        entry_price=np.array([2.0, 2.0]),
        leverage=np.ones(2),
    )
    found = explain(Book(longs=longs), LONG, 0.0, 5.0)
    assert sorted(found.share) == [0.25, 0.75]
