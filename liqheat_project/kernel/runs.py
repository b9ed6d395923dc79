"""What every long piece of work that a person can watch has in common."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone


class RunState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ENDED_STATES = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


class AbstractRun(models.Model):
    """A run with its state, its progress in steps, its times and the reason of a failure."""

    state = models.CharField(
        max_length=10, choices=RunState.choices, default=RunState.QUEUED, editable=False
    )
    steps_done = models.PositiveIntegerField(default=0, editable=False)
    steps_total = models.PositiveIntegerField(default=0, editable=False)
    error = models.TextField(blank=True, editable=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        help_text="blank when it was started from the shell",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED_STATES

    @property
    def percent(self) -> int:
        """Progress from 0 to 100; a run without steps counts as done when it has ended."""
        if not self.steps_total:
            return 100 if self.has_ended else 0
        return 100 * self.steps_done // self.steps_total

    @property
    def duration(self) -> timedelta | None:
        """Time from start to end, or until now; None before the start. Never less than nothing,
        also where the clock was set back in between."""
        if self.started_at is None:
            return None
        return max((self.finished_at or timezone.now()) - self.started_at, timedelta())
