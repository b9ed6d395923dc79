"""`manage.py up` as on a machine of its own."""

import os
import re
import signal
import sys
from pathlib import Path

import psutil

from liqheat_project.launcher.processes import spawn
from tests.support.services import CHECKOUT, free_port, wait_until

READY_SECONDS = 120


class Launcher:
    """Nothing is set but the folder, the two ports, and the variables given by name."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.web = f"127.0.0.1:{free_port()}"
        self.flower = f"127.0.0.1:{free_port()}"
        self.env_file = folder / "env"
        self.output_file = folder / "output"
        self._variables = variables

    @property
    def environment(self) -> dict[str, str]:
        """For this program, and for other commands beside it."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ENV_FILE": str(self.env_file),
            "VAR_DIR": str(self.folder / "var"),
            "WEB_ADDRESS": self.web,
            "FLOWER_ADDRESS": self.flower,
            **self._variables,
        }

    def start(self, *command: str) -> None:
        command = command or (sys.executable, "manage.py", "up")
        self.process = spawn(command, self.output_file, self.environment, CHECKOUT)

    def start_and_wait(self) -> None:
        self.start()
        self.wait_for("Ctrl-C stops everything")

    def wait_for(self, words: str) -> None:
        """Waits until it has said so."""

        def said() -> bool:
            assert self.process.poll() is None, self.output
            return words in self.output

        wait_until(said, READY_SECONDS, f"the launcher to say {words!r}")

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    @property
    def logs(self) -> Path:
        return self.folder / "var" / "log"

    def secret(self, name: str) -> str:
        found = re.search(rf"^{name}=(.+)$", self.env_file.read_text(), re.MULTILINE)
        assert found, f"{name} is not in {self.env_file}"
        return found[1]

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def program(self, word: str) -> psutil.Process:
        """The supervised process with this word in its command line."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if word in _command(child))

    def kill(self) -> None:
        """End it and the `make` above it, if they run; the kernel ends its programs with it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _command(process: psutil.Process) -> str:
    """Nothing for one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
