"""Settings read from the environment, with the variable's name in every complaint."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment:
    """Reads variables and refuses bad values by name.

    `names` collects every variable asked for, so that a test can hold them against `.env.example`.
    """

    def __init__(self, env_file: Path) -> None:
        self._environ = environ.Env()
        self.names: set[str] = set()
        if env_file.is_file():
            environ.Env.read_env(env_file)

    def text(self, name: str, default: str = "") -> str:
        """The variable without surrounding space; a blank one counts as not set."""
        self.names.add(name)
        return str(self._environ.str(name, default="")).strip() or default

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
            raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
        return value in ("true", "1", "yes", "on")

    def number(self, name: str, default: int, minimum: int = 0, maximum: int = 2**31) -> int:
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or not minimum <= int(value) <= maximum:
            raise ImproperlyConfigured(
                f"{name} must be a whole number from {minimum} to {maximum}, not {value!r}."
            )
        return int(value)

    def items(self, name: str, default: str = "") -> list[str]:
        """A list written with commas."""
        return [item.strip() for item in self.text(name, default).split(",") if item.strip()]

    def named_secrets(self, name: str, minimum: int) -> dict[str, str]:
        """`name:secret` pairs written with commas; secrets of `minimum` characters or more."""
        found = {}
        for item in self.items(name):
            owner, _, secret = item.partition(":")
            if not owner or len(secret) < minimum:
                raise ImproperlyConfigured(
                    f"{name} must be name:key pairs with keys of {minimum} characters or more."
                )
            found[owner] = secret
        return found

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise ImproperlyConfigured(
                f"{name} must be one of {', '.join(choices)}, not {value!r}."
            )
        return value

    def folder(self, name: str, default: str, base: Path) -> Path:
        """An absolute path; a relative one is taken from `base`."""
        value = self.text(name, default)
        if "://" in value:  # as a path, s3://bucket is a folder named s3: with another in it
            raise ImproperlyConfigured(
                f"{name} must be the path of a folder, not the URL {value!r}: object stores are "
                "not supported. Mount a shared folder on every machine, and name that."
            )
        return (base / value).resolve()

    def url(self, name: str, default: str, schemes: tuple[str, ...], blank: bool = False) -> str:
        value = self.text(name, default)
        if not value and blank:
            return ""
        if not _is_url(value, schemes):
            raise ImproperlyConfigured(
                f"{name} must be a URL beginning with {' or '.join(schemes)}, not {value!r}."
            )
        return value

    def time_zone(self, name: str, default: str) -> str:
        """A name of the IANA database such as Europe/Berlin, or nothing."""
        value = self.text(name, default)
        if value and value not in available_timezones():
            raise ImproperlyConfigured(
                f"{name} must be a time zone such as UTC or Europe/Berlin, not {value!r}."
            )
        return value

    def address(self, name: str, default: str) -> str:
        """`host:port`."""
        value = self.text(name, default)
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ImproperlyConfigured(f"{name} must look like 127.0.0.1:8000, not {value!r}.")
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        value = self.url(name, default, ("sqlite", "postgres", "postgresql"))
        return dict(self._environ.db_url_config(value))


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        has_place = bool(parts.netloc or parts.path.strip("/") or parts.query)
        return parts.scheme in schemes and has_place and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
