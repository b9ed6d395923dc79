"""Which of a day's states wins."""

from datetime import datetime

import pytest

from ingestion.lake.ledger import LedgerLine
from ingestion.quality.report import BAD_STATES, Attempts, DayState, state_of

SLOTS = 288
NOTHING = Attempts()
MISMATCH = Attempts("ChecksumMismatch", "not that checksum")
ABSENT = Attempts("NotInSource", "does not exist")
UNREACHABLE = Attempts("SourceUnavailable", "did not answer")
OTHER_VERSION = Attempts(sha256s=frozenset({"old", "new"}))


def file(quarantined: int = 0, verified: bool = True) -> LedgerLine:
    start, end = datetime(2024, 11, 1), datetime(2024, 11, 2)
    return LedgerLine(
        "ETHUSDT", "metrics", "", start, end, "origin", "new", verified, 288, quarantined, 0, 1, end
    )


@pytest.mark.parametrize(
    ("loaded", "attempts", "filled", "state"),
    [
        (file(), NOTHING, SLOTS, DayState.VERIFIED),
        (file(), Attempts(sha256s=frozenset({"new"})), SLOTS, DayState.VERIFIED),
        (file(verified=False), NOTHING, SLOTS, DayState.UNVERIFIED),
        (file(), OTHER_VERSION, SLOTS, DayState.REPLACED),
        (file(verified=False), OTHER_VERSION, SLOTS, DayState.REPLACED),
        (file(3), OTHER_VERSION, SLOTS, DayState.QUARANTINED),
        (file(3), NOTHING, SLOTS - 3, DayState.QUARANTINED),
        (file(3), NOTHING, SLOTS - 4, DayState.PARTIAL),
        (file(), OTHER_VERSION, SLOTS - 1, DayState.PARTIAL),
        (file(), MISMATCH, SLOTS - 1, DayState.CHECKSUM_MISMATCH),
        (file(), ABSENT, SLOTS, DayState.VERIFIED),
        (file(), UNREACHABLE, SLOTS, DayState.VERIFIED),
        (None, MISMATCH, 12, DayState.CHECKSUM_MISMATCH),
        (None, ABSENT, 12, DayState.LIVE_ONLY),
        (None, ABSENT, 0, DayState.MISSING_UPSTREAM),
        (None, UNREACHABLE, 0, DayState.NOT_LOADED),
        (None, NOTHING, 0, DayState.NOT_LOADED),
    ],
)
def test_what_a_person_must_act_on_first_wins(
    loaded: LedgerLine | None, attempts: Attempts, filled: int, state: DayState
) -> None:
    assert state_of(loaded, attempts, filled, filled, SLOTS) == state


def test_every_state_has_a_sign_of_its_own_and_says_what_it_is() -> None:
    assert len({state.sign for state in DayState}) == len(DayState)
    assert all(state.label.split()[0] in state.meaning for state in DayState)
    assert DayState.VERIFIED not in BAD_STATES
