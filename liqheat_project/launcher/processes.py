"""Child processes that never outlive their parent, and their supervision. Linux only."""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
QUICK_DEATH_SECONDS = 15
QUICK_DEATHS_ALLOWED = 5
LONGEST_DELAY_SECONDS = 300.0
LOG_LIMIT_BYTES = 10_000_000

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int, with_signal: int = signal.SIGKILL) -> None:
    """Has the kernel send `with_signal` to this process when its parent, process `parent`, dies.

    To be called in the child right after the fork; see prctl(2), PR_SET_PDEATHSIG.
    """
    if _libc.prctl(PR_SET_PDEATHSIG, with_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died between the fork and the call above
        os.kill(os.getpid(), signal.SIGKILL)


def spawn(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    user: int | None = None,
    death_signal: int = signal.SIGKILL,
) -> "subprocess.Popen[bytes]":
    """Starts `command` in a session of its own, so that Ctrl-C in the terminal reaches the parent
    alone; its output is added to the file `log`. It ends with this process, however this one ends.

    To be called from the main thread: the kernel watches the thread that forked.
    """
    parent = os.getpid()
    with log.open("ab") as output, _interrupts_held():
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            user=user,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(parent, death_signal),
        )


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Signals that would end this program are handled when the block has ended: what their handlers
    raise within the hooks of a fork is lost, and Ctrl-C with it."""
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


class Child:
    """One supervised program with its log file; without a `vital` one nothing can start."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_folder: Path,
        vital: bool = False,
    ) -> None:
        self.name = name
        self.vital = vital
        self.command = command
        self.environment = environment
        self.log = log_folder / f"{name}.log"
        self.quick_deaths = 0
        self.restart_at: float | None = None

    def start(self) -> None:
        self.put_long_log_aside()
        self.process = spawn(self.command, self.log, self.environment)
        self.started = time.monotonic()
        self.restart_at = None

    def put_long_log_aside(self) -> None:
        """Empties a long log into the file beside it, which keeps one such. The program goes on
        writing into the same file, at its new end."""
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            with suppress(OSError):  # on a full disk the room counts more than the old lines
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    def signal_group(self, number: int) -> None:
        """Signals the program and what it started, also when only the latter is left."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def schedule_restart(self) -> float:
        """Plans the next start of a dead program; returns the seconds until then."""
        self.signal_group(signal.SIGKILL)
        self.forget_deaths_long_ago()
        self.quick_deaths += 1
        delay = min(2.0 ** (self.quick_deaths - 1), LONGEST_DELAY_SECONDS)
        self.restart_at = time.monotonic() + delay
        return delay

    def forget_deaths_long_ago(self) -> None:
        if time.monotonic() - self.started >= QUICK_DEATH_SECONDS:
            self.quick_deaths = 0


class GaveUp(Exception):
    """A vital program died too often, too soon after its start."""


class Supervisor:
    """Keeps programs running: `add` starts one, `check` restarts the dead, `stop` ends all.

    One that keeps dying waits longer each time, up to five minutes, and does not stop the others;
    but while all are `starting`, a vital one that does so ends the start.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._children: list[Child] = []
        self.starting = True

    @property
    def failing(self) -> list[str]:
        """The programs that die again and again, too soon after their start."""
        return [
            child.name for child in self._children if child.quick_deaths >= QUICK_DEATHS_ALLOWED
        ]

    def add(self, child: Child) -> None:
        child.start()
        self._children.append(child)

    def check(self) -> None:
        """Restarts what has died, each after its own delay, and keeps the logs from growing.

        Raises:
            GaveUp: while `starting`, a vital program died `QUICK_DEATHS_ALLOWED` times within
                seconds of its start.
        """
        for child in self._children:
            child.put_long_log_aside()
            if child.restart_at is not None:
                if time.monotonic() >= child.restart_at:
                    self._restart(child)
            elif child.process.poll() is not None:
                self._after_death(child)
            else:
                child.forget_deaths_long_ago()

    def stop(self, patience_seconds: float) -> None:
        """Ends the programs, the one started first last; kills those that take too long, or all
        at once when interrupted."""
        first, others = self._children[:1], self._children[1:]
        try:
            self._terminate(others, patience_seconds)
            self._terminate(first, patience_seconds)
        except KeyboardInterrupt:
            self._say("Interrupted again: killing what still runs.")
        finally:
            for child in self._children:
                child.signal_group(signal.SIGKILL)
                child.process.wait()

    def _restart(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:  # no room for a log, no memory for a process
            delay = child.schedule_restart()
            self._say(f"{child.name} cannot be started ({error}); next try in {delay:.0f} s.")

    def _after_death(self, child: Child) -> None:
        code = child.process.returncode
        delay = child.schedule_restart()
        if self.starting and child.vital and child.quick_deaths >= QUICK_DEATHS_ALLOWED:
            raise GaveUp(
                f"{child.name} ended {child.quick_deaths} times right after its start "
                f"(code {code}). The reason stands in {child.log}"
            )
        self._say(f"{child.name} ended (code {code}); next start in {delay:.0f} s. See {child.log}")

    def _terminate(self, children: Sequence[Child], patience_seconds: float) -> None:
        deadline = time.monotonic() + patience_seconds
        for child in children:
            child.process.terminate()
        for child in children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"{child.name} did not end within {patience_seconds:.0f} s: killed.")
                child.signal_group(signal.SIGKILL)
