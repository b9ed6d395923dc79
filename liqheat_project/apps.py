from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "liqheat_project"

    def ready(self) -> None:
        from liqheat_project import (
            celery,  # noqa: F401 - whose app the tasks of this process are of
            login,  # noqa: F401 - connects its receivers
        )
