"""The audit log, for reading only."""

from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.http import HttpRequest

from ingestion.admin.common import ROLL_BACK
from ingestion.models import SymbolEvent
from liqheat_project.kernel.read_only_admin import ReadOnlyAdmin


@admin.register(SymbolEvent)
class SymbolEventAdmin(ReadOnlyAdmin):
    list_display = ("when", "symbol", "act", "who", "text", "counted")
    list_display_links = None
    list_filter = ("act", "symbol", "by", "at")
    list_filter_sheet = False
    list_select_related = ("by",)
    search_fields = ("symbol", "text")
    show_facets = ShowFacets.NEVER

    def has_view_permission(self, request: HttpRequest, obj: SymbolEvent | None = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(ROLL_BACK)

    @admin.display(description="When (UTC)", ordering="at")
    def when(self, event: SymbolEvent) -> str:
        return f"{event.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="By", ordering="by")
    def who(self, event: SymbolEvent) -> str:
        return str(event.by or "the shell or the program")

    @admin.display(description="Counts")
    def counted(self, event: SymbolEvent) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in event.counts.items())
