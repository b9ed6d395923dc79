"""Numbers and spans of time as the admin's pages show them."""

from datetime import timedelta

from django import template

from liqheat_project.kernel.instants import instant_of

register = template.Library()

HOURS_AS_DAYS = 48


@register.filter
def thousands(value: float | None) -> str:
    """12,345,678; a dash for None."""
    return "–" if value is None else f"{value:,.0f}"  # noqa: RUF001 - a dash is meant


@register.filter
def span(value: timedelta | float | None) -> str:
    """0.4 s, 12 s, 3 min 5 s, 2 h 10 min, 3 d 4 h; a dash for None."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash is meant
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_rest = divmod(minutes, 60)
    if hours >= HOURS_AS_DAYS:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes_rest} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@register.filter
def instant(milliseconds: int) -> str:
    """Milliseconds since the epoch as 2025-12-01 00:05:00, UTC."""
    return f"{instant_of(milliseconds):%Y-%m-%d %H:%M:%S}"
