"""The secrets of a first run. Runs before the settings, which need them; so no Django here."""

import os
import secrets
from pathlib import Path

from liqheat_project.lib.broker import write_private


def make_env_file(file: Path) -> None:
    """Writes `file` with fresh secrets, readable by its owner alone.

    Leaves an existing file alone, and makes none where SECRET_KEY comes from the environment.
    """
    if file.exists() or os.environ.get("SECRET_KEY"):
        return
    lines = (
        "# Made by `manage.py up`. .env.example names everything else that can be set here.",
        f"SECRET_KEY={secrets.token_urlsafe(48)}",
        "ADMIN_USER=admin",
        f"ADMIN_PASSWORD={secrets.token_urlsafe(12)}",
        f"FLOWER_BASIC_AUTH=admin:{secrets.token_urlsafe(12)}",
    )
    write_private(file, "\n".join(lines) + "\n")
