import os
import re
import subprocess
import sys
from itertools import pairwise

import pytest

from liqheat_project.settings import DEBUG, env
from tests.support.services import CHECKOUT

EXAMPLE = (CHECKOUT / ".env.example").read_text().splitlines()


def load_settings(**variables):
    environment = {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull, "SECRET_KEY": "secret"}
    return subprocess.run(
        [sys.executable, "-c", "import liqheat_project.settings"],
        cwd=CHECKOUT,
        env=environment | variables,
        capture_output=True,
        text=True,
    )


def test_the_example_names_exactly_the_variables_that_are_read():
    named = [line.partition("=")[0] for line in EXAMPLE if re.match(r"\w+=", line)]
    assert sorted(named) == sorted(env.names)


def test_every_variable_of_the_example_has_a_line_on_what_it_is_for():
    bare = [
        line
        for before, line in pairwise(EXAMPLE)
        if re.match(r"\w+=", line) and not before.startswith("# ")
    ]
    assert bare == []


def test_the_example_itself_is_valid():
    values = dict(line.split("=", 1) for line in EXAMPLE if re.match(r"\w+=", line))
    values["SECRET_KEY"] = "secret"
    assert load_settings(**values).returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("HTTPS", "2"),
        ("LOG_LEVEL", "LOUD"),
        ("WEB_ADDRESS", "8000"),
        ("FLOWER_ADDRESS", "127.0.0.1:99999"),
        ("WEB_WORKERS", "0"),
        ("WORKER_CONCURRENCY", "two"),
        ("LAKE_MEMORY_LIMIT_MB", "-1"),
        ("CHUNK_LEASE_SECONDS", "1.5"),
        ("DATABASE_URL", "oracle://host/name"),
        ("DATABASE_URL", "postgresql://host:port/name"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("LAKE_CATALOG_URL", "mysql://host/lake"),
        ("ARCHIVE_BASE_URL", "data.binance.vision"),
        ("LAKE_DATA_PATH", "s3://bucket/lake"),
    ],
)
def test_a_bad_value_stops_the_start_with_its_name(name, value):
    result = load_settings(**{name: value})
    assert result.returncode != 0
    assert re.search(rf"ImproperlyConfigured: {name} ", result.stderr), result.stderr


def test_debug_is_off_by_default():
    assert DEBUG is False


def test_a_missing_secret_key_stops_the_start_and_says_what_to_do():
    result = load_settings(SECRET_KEY="")
    assert result.returncode != 0
    assert "SECRET_KEY is not set. `make run` makes one" in result.stderr
