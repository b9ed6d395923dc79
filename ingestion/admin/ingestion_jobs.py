"""Ingestion jobs: their progress, their chunks, and what can be done with them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import ShowFacets
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from ingestion.admin.common import LOAD_DATA, counted, errors_shown, hand_out, require
from ingestion.loading import jobs
from ingestion.loading.progress import progress_of
from ingestion.models import FAILED_CHUNK_STATES, ChunkState, IngestionJob
from liqheat_project.kernel.run_admin import STATE_COLOURS, RunAdmin
from liqheat_project.kernel.runs import AbstractRun, RunState

CHUNKS_PER_PAGE = 200
CHUNK_COLOURS = {
    ChunkState.RUNNING: "info",
    ChunkState.WAITING: "warning",
    ChunkState.LOADED: "success",
    ChunkState.CHECKED: "success",
    ChunkState.UNCHANGED: "success",
    ChunkState.UNDECIDED: "warning",
    ChunkState.FAILED: "danger",
    ChunkState.CANCELLED: "warning",
}

RETRIED = {*FAILED_CHUNK_STATES, ChunkState.CANCELLED}


@admin.register(IngestionJob)
class IngestionJobAdmin(RunAdmin):
    list_display = (
        "id",
        "symbol",
        "asked_datasets",
        "days",
        "state_label",
        "progress_bar",
        "rows",
        "requested_by",
        "created",
    )
    list_filter = ("state", "symbol", "source", "dry_run")
    list_filter_sheet = False
    list_select_related = ("symbol", "requested_by")
    show_facets = ShowFacets.NEVER
    list_before_template = "admin/ingestion/ingestionjob/list_links.html"
    change_form_template = "admin/ingestion/ingestionjob/change_form.html"

    def has_load_data_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(LOAD_DATA)

    def has_view_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_load_data_permission(request)

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[IngestionJob]:
        return super().get_queryset(request).annotate(loaded_rows=Sum("chunks__rows"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"can_load": self.has_load_data_permission(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description="Datasets")
    def asked_datasets(self, job: IngestionJob) -> str:
        return ", ".join(job.datasets) + (" (dry run)" if job.dry_run else "")

    @admin.display(description="Days", ordering="start_date")
    def days(self, job: IngestionJob) -> str:
        return f"{job.start_date} to {job.end_date}"

    @admin.display(description="Rows", ordering="loaded_rows")
    def rows(self, job: IngestionJob) -> str:
        return f"{job.loaded_rows or 0:,}"  # type: ignore[attr-defined]

    # The page

    def fragments(self, request: HttpRequest, run: AbstractRun) -> dict[str, str]:
        assert isinstance(run, IngestionJob)
        progress = progress_of(run)
        context = {
            "job": run,
            "progress": progress,
            "state_colour": STATE_COLOURS.get(RunState(run.state)),
            "can_load": self.has_load_data_permission(request),
            "has_failed": ChunkState.FAILED in progress.files_by_state,
            "undecided": progress.files_by_state.get(ChunkState.UNDECIDED, 0),
            "can_retry": RETRIED & progress.files_by_state.keys(),
            **_chunk_table(request, run, progress.files_by_state),
        }
        folder = "admin/ingestion/ingestionjob"
        return {
            name: render_to_string(f"{folder}/{name}.html", context)
            for name in ("summary", "buttons", "chunks")
        }

    def get_urls(self) -> list[URLPattern]:
        def act(name: str, view: Callable[..., HttpResponse]) -> URLPattern:
            return path(
                f"<path:object_id>/{name.replace('_', '-')}/",
                self.admin_site.admin_view(view),
                name=self.url_name(name),
            )

        return [
            act("retry_failed", self.retry_failed_view),
            act("accept", self.accept_view),
            act("cancel", self.cancel_view),
            act("run_again", self.run_again_view),
            *super().get_urls(),
        ]

    # The acts

    @method_decorator(require_POST)
    def retry_failed_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        words = ("Retried {}.", "Trying {} again.")
        return self._start_again(request, object_id, jobs.retry_failed, *words)

    @method_decorator(require_POST)
    def accept_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        words = ("Accepted {} as they are.", "Loading {} as they are.")
        return self._start_again(request, object_id, jobs.accept, *words)

    def _start_again(
        self,
        request: HttpRequest,
        object_id: str,
        act: Callable[[IngestionJob, Any], list[int]],
        done: str,
        said: str,
    ) -> HttpResponse:
        job = self._job_to_act_on(request, object_id)
        with transaction.atomic():
            chunk_ids = act(job, request.user)
            files = counted(len(chunk_ids), "file")
            self.log_change(request, job, done.format(files))
        hand_out(request, chunk_ids)
        messages.success(request, said.format(files))
        return self._back_to(job)

    @method_decorator(require_POST)
    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self._job_to_act_on(request, object_id)
        with transaction.atomic():
            reason = f"cancelled by {request.user}"
            files = counted(jobs.cancel(job, reason, request.user), "file")
            self.log_change(request, job, f"Cancelled {files}.")
        messages.success(request, f"Cancelled {files}; what is loaded stays.")
        return self._back_to(job)

    @method_decorator(require_POST)
    def run_again_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self._job_to_act_on(request, object_id)
        with errors_shown(request):
            with transaction.atomic():
                again = jobs.run_again(job, request.user)
                files = counted(again.steps_total, "file")
                text = f"Ran job {job.pk} again: {files}, {again}."
                self.log_addition(request, again, text)
            hand_out(request, again.chunks.values_list("pk", flat=True))
            messages.success(request, f"This is job {job.pk} again: {files}.")
            return self._back_to(again)
        return self._back_to(job)

    def _job_to_act_on(self, request: HttpRequest, object_id: str) -> IngestionJob:
        require(self.has_load_data_permission(request))
        return self.visible_run(request, object_id)

    def _back_to(self, job: IngestionJob) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:ingestion_ingestionjob_change", args=[job.pk]))


def _chunk_table(
    request: HttpRequest, job: IngestionJob, files_by_state: dict[str, int]
) -> dict[str, Any]:
    """The asked-for page of the chunks in the asked-for state, with the states to choose from."""
    state = request.GET.get("chunk_state", "")
    chunks = job.chunks.filter(state=state) if state in ChunkState.values else job.chunks.all()
    page = Paginator(chunks, CHUNKS_PER_PAGE).get_page(request.GET.get("chunk_page"))
    for chunk in page.object_list:
        chunk.job = job  # its file's name asks for the job's symbol: once, not for every row
    return {
        "chunks": [(chunk, CHUNK_COLOURS.get(ChunkState(chunk.state))) for chunk in page],
        "page": page,
        "chunk_state": state,
        "states": [
            (value, label, files_by_state[value])
            for value, label in ChunkState.choices
            if value in files_by_state
        ],
        "files": sum(files_by_state.values()),
    }
