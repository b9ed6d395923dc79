"""People who use the admin's pages of validation, and a folder of its own for each test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.VALIDATION_DIR = tmp_path / "validation"
    settings.VALIDATION_INBOX_DIR = tmp_path / "inbox"
    return tmp_path


@pytest.fixture
def log_in(db: None, settings: Any, django_user_model: Any) -> Callable[..., Any]:
    """Logs in a member of staff with the permissions of `validation` and `ingestion` named."""
    from django.contrib.auth.models import Permission
    from django.test import Client

    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}

    def log_in(*permissions: str) -> Client:
        name = f"staff{django_user_model.objects.count()}"
        user = django_user_model.objects.create_user(name, is_staff=True)
        apps = ("validation", "ingestion")
        found = Permission.objects.filter(content_type__app_label__in=apps)
        user.user_permissions.set(found.filter(codename__in=permissions))
        assert user.user_permissions.count() == len(permissions)
        client = Client()
        client.force_login(user)
        return client

    return log_in
