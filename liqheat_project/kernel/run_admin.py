"""The admin of runs: read-only, with a page that moves while the run does."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from liqheat_project.kernel.read_only_admin import ReadOnlyAdmin
from liqheat_project.kernel.runs import AbstractRun, RunState

STATE_COLOURS = {
    RunState.RUNNING: "info",
    RunState.SUCCEEDED: "success",
    RunState.FAILED: "danger",
    RunState.CANCELLED: "warning",
}


class RunAdmin(ReadOnlyAdmin):
    """A list and a page of runs, which are made and changed by use cases and never by hand.

    The page consists of fragments of HTML. A script asks for them once a second until the run has
    ended and puts them in place; without the script they are as old as the page.
    """

    change_form_template = "admin/run/change_form.html"

    class Media:
        js = ("liqheat_project/run.js",)

    def fragments(self, request: HttpRequest, run: AbstractRun) -> dict[str, str]:
        """The HTML of the page's moving parts, by the names that its template gives them."""
        raise NotImplementedError

    @display(description="State", ordering="state", label=STATE_COLOURS)
    def state_label(self, run: AbstractRun) -> tuple[str, str]:
        return run.state, run.get_state_display()

    @display(description="Progress")
    def progress_bar(self, run: AbstractRun) -> SafeString:
        context = {"percent": run.percent, "state": run.state}
        bar = render_to_string("admin/run/progress_bar.html", context)
        return format_html('<div class="progress">{}</div>', bar)

    @display(description="Created (UTC)", ordering="created_at")
    def created(self, run: AbstractRun) -> str:
        return f"{run.created_at:%Y-%m-%d %H:%M}"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.progress_view)
        return [
            path("<path:object_id>/progress/", view, name=self.url_name("progress")),
            *super().get_urls(),
        ]

    def url_name(self, page: str) -> str:
        """Name of one of this admin's addresses, without the site's name."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def visible_run(self, request: HttpRequest, object_id: str) -> Any:
        """The run, for those who may see it; everyone else gets 403, and 404 if there is none."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, unquote(object_id))
        if run is None:
            raise Http404(f"There is no {self.opts.verbose_name} {object_id}")
        return run

    def progress_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        run = self.visible_run(request, object_id)
        return JsonResponse({"ended": run.has_ended, "fragments": self.fragments(request, run)})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self.visible_run(request, object_id)
        progress_url = reverse(f"{self.admin_site.name}:{self.url_name('progress')}", args=[run.pk])
        context = {
            "run": run,
            "fragments": self.fragments(request, run),
            "progress_url": progress_url,
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))
