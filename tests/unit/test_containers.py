"""docker-compose.yml and the launcher must run the same programs with the same settings."""

import re

import pytest
import yaml

from liqheat_project.management.commands import up
from liqheat_project.settings import env
from tests.support.services import CHECKOUT

TEXT = (CHECKOUT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]


def queues_and_names(commands):
    found = set()
    for command in commands:
        queues = re.search(r"-Q (\S+)", command)
        if queues:
            found.add((queues[1], re.search(r"-n (\S+)", command)[1]))
    return found


def test_the_same_queues_have_workers_of_the_same_names():
    commands = [str(service.get("command", "")) for service in SERVICES.values()]
    assert queues_and_names(commands) == queues_and_names(
        " ".join(command) for command in up._workers().values()
    )


def test_the_same_collectors_run():
    def collectors(commands):
        return {name for command in commands for name in re.findall(r"collect_\w+", command)}

    launched = collectors(" ".join(command) for command in up._workers().values())
    assert launched == collectors(str(one.get("command", "")) for one in SERVICES.values())
    assert launched


def test_flower_has_the_same_options():
    options = r"--(?!address|port|db)\S+"
    launched = " ".join(up._servers()["flower"])
    assert re.findall(options, SERVICES["flower"]["command"]) == re.findall(options, launched)


def test_only_known_settings_are_given():
    assert set(SERVICES["web"]["environment"]) <= env.names


@pytest.mark.parametrize("word", ["SECRET", "PASSWORD", "AUTH"])
def test_secrets_come_from_outside_and_must_be_there(word):
    uses = re.findall(r"\$\{(\w*" + word + r"\w*)(\S*)", TEXT)
    assert uses
    assert all(rest.startswith(":?") for _, rest in uses)
