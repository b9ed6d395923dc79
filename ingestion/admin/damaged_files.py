"""Files of the lake that are damaged, and loading their days anew."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import ShowFacets
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from ingestion.admin.common import errors_shown, hand_out
from ingestion.models import DamagedFile
from ingestion.quality import damage
from liqheat_project.kernel.read_only_admin import ReadOnlyAdmin


@admin.register(DamagedFile)
class DamagedFileAdmin(ReadOnlyAdmin):
    """The rows come from the night's round, `data_quality --verify`, loads and roll backs."""

    list_display = ("__str__", "reason", "path", "found_at")
    list_display_links = None
    list_filter = ("symbol",)
    list_filter_sheet = False
    show_facets = ShowFacets.NEVER
    actions = ("load_anew",)

    def has_change_files_permission(self, request: HttpRequest) -> bool:
        """For the action alone: rows are changed by nobody."""
        return request.user.has_perm("ingestion.change_damagedfile")

    @admin.action(description="Load their days anew", permissions=["change_files"])
    def load_anew(self, request: HttpRequest, files: QuerySet[DamagedFile]) -> None:
        for file in files:
            with errors_shown(request):
                self._load_anew(request, file)

    def _load_anew(self, request: HttpRequest, file: DamagedFile) -> None:
        name = str(file)
        job: Any = damage.mend(file, request.user)
        if job is None:
            messages.success(request, f"{name}: taken out; its days wait in a job or are not over.")
            return
        hand_out(request, job.chunks.values_list("pk", flat=True))
        address = reverse("admin:ingestion_ingestionjob_change", args=[job.pk])
        link = format_html('<a href="{}">job {}</a>', address, job.pk)
        messages.success(request, format_html("{}: loaded anew by {}.", name, link))
