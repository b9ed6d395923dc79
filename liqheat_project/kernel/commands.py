"""What all management commands share."""

from django.core.management.base import BaseCommand


class ProjectCommand(BaseCommand):
    """A command that begins at once. Django's checks would import every view and page of the admin
    first, twice the rest of a start; the tests make them."""

    requires_system_checks: list[str] = []
