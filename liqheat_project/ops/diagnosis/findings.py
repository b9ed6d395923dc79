"""What a check says, and the list of all checks."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ingestion.models import Symbol


class Outcome(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """How one thing is, and, where it is not well, what to do: a command wherever there is one."""

    outcome: Outcome
    found: str
    advice: str = ""


Check = Callable[[Symbol], Finding]

CHECKS: dict[str, Check] = {}
"""By what they look at, in the order in which they run."""


def check(subject: str) -> Callable[[Check], Check]:
    """Adds a function to CHECKS."""

    def add(function: Check) -> Check:
        CHECKS[subject] = function
        return function

    return add


def ok(found: str) -> Finding:
    return Finding(Outcome.OK, found)


def warn(found: str, advice: str) -> Finding:
    return Finding(Outcome.WARN, found, advice)


def fail(found: str, advice: str) -> Finding:
    return Finding(Outcome.FAIL, found, advice)
