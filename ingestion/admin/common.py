"""What the pages of symbols and of jobs share."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from kombu.exceptions import OperationalError
from unfold.admin import ModelAdmin

from ingestion import tasks
from ingestion.errors import IngestionError

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
        context = {"title": title, "opts": self.opts, **context}
        return TemplateResponse(
            request,
            f"admin/ingestion/symbol/{template}",
            self.admin_site.each_context(request) | context,
        )


@contextmanager
def errors_shown(request: HttpRequest) -> Iterator[None]:
    """Show what a use case complains about as a message on the next page."""
    try:
        yield
    except IngestionError as error:
        messages.error(request, str(error))


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
