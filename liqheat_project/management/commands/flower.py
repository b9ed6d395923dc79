from argparse import ArgumentParser
from typing import Any

import flower.command
from django.conf import settings
from django.core.management.base import CommandError

from liqheat_project.celery import app
from liqheat_project.kernel.commands import ProjectCommand
from liqheat_project.ops.flower import GuardedFlower


class Command(ProjectCommand):
    help = "Run Flower, the view of the workers, behind FLOWER_BASIC_AUTH on FLOWER_ADDRESS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--address", help="host:port in place of FLOWER_ADDRESS")

    def handle(self, *args: Any, **options: Any) -> None:
        if ":" not in settings.FLOWER_BASIC_AUTH:
            raise CommandError("FLOWER_BASIC_AUTH is not set: give Flower a user:password.")
        host, _, port = (options["address"] or settings.FLOWER_ADDRESS).rpartition(":")
        flower.command.Flower = GuardedFlower
        app.start(
            [
                "flower",
                f"--address={host.strip('[]')}",
                f"--port={port}",
                f"--basic_auth={settings.FLOWER_BASIC_AUTH}",
                "--persistent=true",
                f"--db={settings.VAR_DIR / 'flower.db'}",
                "--state_save_interval=60000",
            ]
        )
