"""The secrets of a first run. Runs before the settings, which need them; so no Django here."""

import os
import secrets
from pathlib import Path

from liqheat_project.launcher.broker import write_private

HEADER = "# Made by `manage.py up`. .env.example names everything else that can be set here."


def complete_env_file(file: Path) -> None:
    """Writes fresh secrets into `file`, readable by its owner alone; all else in it stays.

    Leaves a file with a SECRET_KEY alone, and changes none where it comes from the environment.
    """
    lines = file.read_text().splitlines() if file.exists() else [HEADER]
    if os.environ.get("SECRET_KEY") or _is_set("SECRET_KEY", lines):
        return
    fresh = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ADMIN_USER": "admin",
        "ADMIN_PASSWORD": secrets.token_urlsafe(12),
        "FLOWER_BASIC_AUTH": f"admin:{secrets.token_urlsafe(12)}",
    }
    for name, value in fresh.items():
        if not _is_set(name, lines):
            lines = [line for line in lines if line.rstrip() != f"{name}="]
            lines.append(f"{name}={value}")
    write_private(file, "\n".join(lines) + "\n")


def _is_set(name: str, lines: list[str]) -> bool:
    return any(line.partition("=")[2].strip() for line in lines if line.startswith(f"{name}="))
