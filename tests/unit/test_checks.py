"""Django's own checks, which commands leave out at their start."""

from importlib import import_module

import pytest
from django.conf import settings
from django.core.management import call_command


@pytest.mark.django_db
def test_django_finds_no_fault() -> None:
    import_module(settings.ROOT_URLCONF)  # with the admin's pages, which are checked too
    call_command("check", fail_level="WARNING")
