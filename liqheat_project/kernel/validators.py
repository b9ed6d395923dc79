"""Validators of Django's fields."""

from django.core.exceptions import ValidationError

from liqheat_project.kernel import symbol_names


def validate_symbol_name(text: str) -> None:
    """Raises ValidationError for what can't be the name of a symbol."""
    if not symbol_names.is_symbol_name(text):
        raise ValidationError(symbol_names.HELP, code="invalid")
