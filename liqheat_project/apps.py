from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "liqheat_project"

    def ready(self) -> None:
        from liqheat_project import login  # noqa: F401 - connects its receivers
