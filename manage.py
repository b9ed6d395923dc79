#!/usr/bin/env python
import os
import signal
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liqheat_project.settings")
    if sys.argv[1:2] == ["up"]:  # before the settings, which need the secrets
        from liqheat_project.launcher.first_run import complete_env_file

        complete_env_file(
            Path(os.environ.get("ENV_FILE") or Path(__file__).resolve().parent / ".env")
        )
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        from ingestion.errors import IngestionError
        from liqheat_project.kernel.complaints import sentence  # needs the settings

        said = str(error) if isinstance(error, IngestionError) else sentence(error)
        if said is None or "--traceback" in sys.argv:
            raise
        sys.exit(said)
