"""People who use the admin, and symbols for them. Imported before Django is set up."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def static_files(settings: Any) -> None:
    """Pages name their static files without `collectstatic` having run."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.fixture
def superuser(db: None, static_files: None, django_user_model: Any) -> Any:
    """The client of the logged-in superuser `ada`."""
    return _logged_in(django_user_model.objects.create_superuser("ada"))


@pytest.fixture
def staff(db: None, static_files: None, django_user_model: Any) -> Callable[..., Any]:
    """Logs in a member of staff with the permissions named: `staff("load_data")`."""
    from django.contrib.auth.models import Permission

    def log_in(*permissions: str) -> Any:
        name = f"staff{django_user_model.objects.count()}"
        user = django_user_model.objects.create_user(name, is_staff=True)
        found = Permission.objects.filter(
            content_type__app_label="ingestion", codename__in=permissions
        )
        assert len(found) == len(permissions)
        user.user_permissions.set(found)
        return _logged_in(user)

    return log_in


@pytest.fixture
def ethereum(db: None) -> Any:
    return _symbol("ETHUSDT", "0.01")


@pytest.fixture
def bitcoin(db: None) -> Any:
    return _symbol("BTCUSDT", "0.10")


def _logged_in(user: Any) -> Any:
    from django.test import Client

    client = Client()
    client.force_login(user)
    return client


def _symbol(name: str, tick_size: str) -> Any:
    from ingestion.models import Symbol

    return Symbol.objects.get_or_create(name=name, defaults={"tick_size": tick_size})[0]
