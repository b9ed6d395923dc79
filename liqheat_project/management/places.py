"""Where the settings say that this installation keeps what it knows."""

from pathlib import Path

from django.conf import settings

from ingestion.lake import LakeConfig
from liqheat_project.ops.backup import BackupError, Places


def places() -> Places:
    """Raises BackupError where one of the databases is PostgreSQL."""
    database = settings.DATABASES["default"]
    lake = LakeConfig(
        settings.LAKE_CATALOG_URL, settings.LAKE_DATA_PATH, settings.VAR_DIR / "duckdb"
    )
    if not (lake.is_sqlite and database["ENGINE"].endswith("sqlite3")):
        raise BackupError(
            "This command is for databases in SQLite. With PostgreSQL use pg_dump on DATABASE_URL "
            "and LAKE_CATALOG_URL, and then copy LAKE_DATA_PATH: docs/operations.md says how."
        )
    return Places(Path(database["NAME"]), lake)
