"""How long to wait before the next attempt."""

import random

MOST_DOUBLINGS = 32  # beyond, a float could not hold it


def backoff(failures: int, first: float, longest: float) -> float:
    """Seconds to wait after so many failures in a row, from 1 on.

    `first` after one, doubled for each further one up to `longest`; of that a random share from
    half to all, so that those who failed together do not come back together.
    """
    most = min(first * 2.0 ** min(failures - 1, MOST_DOUBLINGS), longest)
    return most * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the attempts, no secret
