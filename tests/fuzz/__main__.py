"""`make fuzz`: asks a real web server what the API's schema allows, and what it does not.

Any 5xx, and any answer that the schema does not describe, fails it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.services import CHECKOUT, WebServer, free_port

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="liqheat-fuzz-"))
    (folder / "var").mkdir()
    address = f"127.0.0.1:{free_port()}"
    server = WebServer(folder, _environment(folder, address), f"http://{address}")
    try:
        _load(folder, server.environment)
        server.start()
        return _ask(server, folder, options)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, address: str) -> dict[str, str]:
    return os.environ | {
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "a key for this run only, long enough for every check",
        "VAR_DIR": str(folder / "var"),
        "WEB_ADDRESS": address,
        "WEB_WORKERS": "1",
        "THROTTLE_ANONYMOUS": "0",
        "REDIS_URL": "redis://127.0.0.1:9/0",  # no cache: every answer is made
    }


def _load(folder: Path, environment: dict[str, str]) -> None:
    market = ["--start-date", "2025-01-01", "--days", "3", "--directory", str(folder / "market")]
    source = ["--symbol", "ETHUSDT", "--start-date", "2025-01-01", "--end-date", "2025-01-03"]
    source += ["--data-dir", str(folder / "market")]
    for command in (
        ["migrate", "-v0"],
        ["synthetic_market", "--symbol", "ETHUSDT", "--trades-per-day", "3000", *market],
        ["ingest_oi", *source],
        ["ingest_klines", "--interval", "5m", *source],
        ["enable_symbol", "ETHUSDT"],
    ):
        program = [sys.executable, CHECKOUT / "manage.py", *command]
        subprocess.run(program, env=environment, check=True, stdout=subprocess.DEVNULL)


def _ask(server: WebServer, folder: Path, options: argparse.Namespace) -> int:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{server.url}/api/schema",
        f"--checks={','.join(CHECKS)}",
        f"--max-time={options.minutes * 60:.0f}",
        f"--seed={options.seed}",
        "--continue-on-failure",
        "--workers=1",
    ]
    return subprocess.run(command, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
