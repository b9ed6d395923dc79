"""The waits between attempts."""

import pytest

from liqheat_project.kernel.backoff import backoff


@pytest.mark.parametrize(
    ("failures", "most"), [(1, 10), (2, 20), (5, 160), (7, 600), (8, 600), (10_000, 600)]
)
def test_waits_double_up_to_the_longest_and_are_spread(failures: int, most: float) -> None:
    waits = {backoff(failures, first=10, longest=600) for _ in range(200)}
    assert most / 2 <= min(waits) < 0.7 * most
    assert 0.8 * most < max(waits) <= most
