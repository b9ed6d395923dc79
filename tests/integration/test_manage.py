"""manage.py itself."""

import subprocess
import sys

from tests.conftest import worker_environment
from tests.support.services import CHECKOUT


def test_a_reader_that_has_seen_enough_ends_a_command_quietly() -> None:
    command = subprocess.Popen(
        [sys.executable, CHECKOUT / "manage.py", "diffsettings"],
        env=worker_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout and command.stderr
    command.stdout.close()
    assert command.stderr.read() == b""
    assert command.wait(60) == 141
