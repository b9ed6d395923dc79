"""What the pages of symbols and of jobs share."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from kombu.exceptions import OperationalError
from unfold.admin import ModelAdmin

from ingestion import tasks
from ingestion.errors import FileDamaged, IngestionError
from ingestion.lake import read
from ingestion.lake.read import Coverage
from ingestion.models import Symbol

LOAD_DATA = "ingestion.load_data"
ROLL_BACK = "ingestion.roll_back"


def require(allowed: bool) -> None:
    """403 for those who are not allowed."""
    if not allowed:
        raise PermissionDenied


def counted(count: int, noun: str) -> str:
    """`1 file`, `1,460 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class SymbolPages(ModelAdmin):
    """Pages of symbols beside the list and the form."""

    def has_load_data_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(LOAD_DATA)

    def page(
        self, request: HttpRequest, title: str, template: str, context: dict[str, Any]
    ) -> TemplateResponse:
        """A page in the admin's frame from a template of symbols."""
        return page_of(self, request, title, f"symbol/{template}", context)


@contextmanager
def errors_shown(request: HttpRequest) -> Iterator[None]:
    """Show what a use case complains about as a message on the next page."""
    try:
        yield
    except IngestionError as error:
        messages.error(request, str(error))


def coverage_of(request: HttpRequest, symbol: Symbol) -> list[Coverage]:
    """What the lake holds of a symbol; of one with a damaged file nothing, and a message says so.
    Its page has the buttons that help."""
    try:
        with read.snapshot() as cursor:
            return list(read.coverage(cursor, symbol.name).values())
    except FileDamaged as error:
        messages.error(request, f"What the lake holds of {symbol} cannot be counted. {error}")
        return []


def hand_out(request: HttpRequest, chunk_ids: Iterable[int]) -> None:
    """Tell the workers of chunks. Without a broker they stay pending and the sweep sends them."""
    try:
        tasks.send(chunk_ids)
    except OperationalError as error:
        messages.warning(
            request,
            f"The broker does not answer ({error}). The files wait and are handed out by the "
            "sweep once it is back.",
        )


def page_of(
    admin: Any, request: HttpRequest, title: str, template: str, context: dict[str, Any]
) -> TemplateResponse:
    """A page of a model's admin that is neither its list nor its form."""
    context = {"title": title, "opts": admin.opts, **context}
    return TemplateResponse(
        request, f"admin/ingestion/{template}", admin.admin_site.each_context(request) | context
    )


def given(request: HttpRequest) -> QueryDict:
    """What the page was asked for: the form's values, or those of the address."""
    return request.POST if request.method == "POST" else request.GET


def chosen(request: HttpRequest) -> list[Symbol]:
    """The symbols that the page was asked for by name."""
    return list(Symbol.objects.filter(name__in=given(request).getlist("symbols")))


def go_to(page: str, symbols: Iterable[Symbol] = (), pk: int | None = None) -> Any:
    """To a page of the symbols, such as `load` or `changelist`."""
    address = reverse(f"admin:ingestion_symbol_{page}", args=[pk] if pk else [])
    names = urlencode([("symbols", symbol.name) for symbol in symbols])
    return HttpResponseRedirect(f"{address}?{names}" if names else address)
