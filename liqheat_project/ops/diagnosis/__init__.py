"""The troubleshooting of the runbook as a list of checks over one symbol.

A check is a function in one of the modules here, marked with `@check("what it looks at")`; it takes
the symbol and returns a Finding. Adding one is writing one.
"""

import logging

from ingestion.models import Symbol
from liqheat_project.ops.diagnosis import data, system, validation
from liqheat_project.ops.diagnosis.findings import CHECKS, Finding, Outcome, fail

__all__ = ["CHECKS", "Finding", "Outcome", "data", "diagnose", "system", "validation"]

logger = logging.getLogger(__name__)


def diagnose(symbol: Symbol) -> dict[str, Finding]:
    """What every check finds, by what it looks at. One that itself breaks is a failure."""
    found = {}
    for subject, look in CHECKS.items():
        try:
            found[subject] = look(symbol)
        except Exception as error:
            logger.debug("the check of %s broke", subject, exc_info=True)
            found[subject] = fail(
                f"could not be looked at: {error!r}",
                "The other findings may say why; LOG_LEVEL=DEBUG shows where it broke.",
            )
    return found
