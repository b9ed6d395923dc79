import signal
import threading
from typing import Any

from ingestion.collecting import liquidations
from liqheat_project.kernel.commands import ProjectCommand


class Command(ProjectCommand):
    help = (
        "Record the liquidations of the enabled symbols until the program is told to end. "
        "`manage.py up` runs it; of several at once, one records and the others wait."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, frame: stop.set())
        liquidations.collect(stop)
