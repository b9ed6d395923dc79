"""Management commands as a test runs them: in this process, or as a user's shell does."""

import subprocess
import sys
from io import StringIO
from typing import Any

from django.core.management import call_command

from tests.conftest import worker_environment
from tests.support.services import CHECKOUT

MANAGE = [sys.executable, str(CHECKOUT / "manage.py")]


def said(*arguments: Any) -> str:
    """What a command prints, on both of its streams."""
    output = StringIO()
    call_command(*map(str, arguments), stdout=output, stderr=output, no_color=True)
    return output.getvalue()


def shell(*arguments: Any, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A command in a process of its own, with the databases of this test."""
    return subprocess.run(
        [*MANAGE, *map(str, arguments)],
        env=worker_environment() | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
