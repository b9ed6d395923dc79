from django.apps import AppConfig
from django.conf import settings

from ingestion import lake


class IngestionConfig(AppConfig):
    name = "ingestion"

    def ready(self) -> None:
        lake.configure(
            lake.LakeConfig(
                catalog_url=settings.LAKE_CATALOG_URL,
                data_path=settings.LAKE_DATA_PATH,
                temporary_path=settings.VAR_DIR / "duckdb",
                memory_limit_mb=settings.LAKE_MEMORY_LIMIT_MB,
                threads=settings.LAKE_THREADS,
                extensions_path=settings.DUCKDB_EXTENSIONS_DIR,
            )
        )
