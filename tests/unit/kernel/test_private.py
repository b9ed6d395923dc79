import os
import subprocess
import sys
from pathlib import Path

from liqheat_project.kernel.private import make_private
from tests.support.services import CHECKOUT


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_others_could_read_is_closed_but_what_links_lead_to(tmp_path: Path) -> None:
    folder, outside = tmp_path / "var", tmp_path / "outside"
    (folder / "log").mkdir(parents=True)
    (folder / "data" / "many").mkdir(parents=True)
    for file in (folder / "log" / "web.log", folder / "data" / "many" / "a.parquet", outside):
        file.touch()
        file.chmod(0o644)
    (folder / "link").symlink_to(outside)
    for one in (folder, folder / "log", folder / "data"):
        one.chmod(0o755)
    assert make_private(folder, but_not_within=(folder / "data",)) == 4
    assert mode(folder) == mode(folder / "log") == mode(folder / "data") == 0o700
    assert mode(folder / "log" / "web.log") == 0o600
    assert mode(outside) == mode(folder / "data" / "many" / "a.parquet") == 0o644


def test_whatever_command_comes_first_writes_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir(mode=0o755)
    environment = os.environ | {"VAR_DIR": str(folder), "DATABASE_URL": "", "LAKE_CATALOG_URL": ""}
    environment["LAKE_DATA_PATH"] = ""
    for command in (["migrate", "-v0"], ["lake", "SELECT 1 AS one"]):
        program = [sys.executable, CHECKOUT / "manage.py", *command]
        subprocess.run(program, env=environment, check=True)
    files = [path for path in folder.rglob("*")]
    assert {path.name for path in files} >= {"liqheat.sqlite3", "catalog.sqlite"}
    assert {mode(path) & 0o077 for path in (folder, *files)} == {0}
