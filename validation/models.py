"""Comparisons with the outside world, and the policy by which they approve a symbol."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from ingestion.models import IngestionJob, Symbol
from liqheat_project.kernel.runs import AbstractRun
from validation.gate.decision import Policy

DEFAULTS = Policy()


def _share(default: float, help_text: str) -> Any:
    bounds = [MinValueValidator(0.0), MaxValueValidator(1.0)]
    return models.FloatField(default=default, validators=bounds, help_text=help_text)


def _count(default: int, largest: int, help_text: str) -> Any:
    bounds = [MinValueValidator(1), MaxValueValidator(largest)]
    return models.PositiveIntegerField(default=default, validators=bounds, help_text=help_text)


class GatePolicy(models.Model):
    """What a run must exceed, how many runs must, and for how long an approval holds: one row."""

    hit_rate = _share(DEFAULTS.hit_rate, "A run passes above it; 0.6 is 60 %.")
    price_level_overlap = _share(DEFAULTS.price_level_overlap, "A run passes above it.")
    runs = _count(DEFAULTS.runs, 100, "Passing runs, of different files, that an approval needs.")
    valid_days = _count(DEFAULTS.valid_days, 3650, "Days after its newest run that it holds.")

    class Meta:
        verbose_name = "approval policy"
        verbose_name_plural = "approval policy"

    def __str__(self) -> str:
        return "Approval policy"

    @classmethod
    def current(cls) -> "GatePolicy":
        """The policy in force; that of the defaults where none was ever saved."""
        return cls.objects.first() or cls(pk=1)

    @property
    def rule(self) -> Policy:
        """The same as the pure gate takes it."""
        return Policy(self.hit_rate, self.price_level_overlap, self.runs, self.valid_days)


class ValidationRun(AbstractRun):
    """A reference from the outside world, compared with our map of the same window.

    The file is kept below VALIDATION_DIR under its sha256. `state` says whether the comparison came
    to its end, `passed` what it found: a run that succeeded may well not have passed. The history
    stays: running a file again makes another row.
    """

    class Source(models.TextChoices):
        SCREENSHOT = "screenshot", "Coinglass screenshot"
        API = "api", "Coinglass API answer"
        EVENTS = "events", "Liquidation events"

    symbol = models.ForeignKey(
        Symbol,
        null=True,
        on_delete=models.CASCADE,
        related_name="validation_runs",
        help_text="blank where a watched file's name did not say whose it is",
    )
    source = models.CharField(
        max_length=10,
        choices=Source.choices,
        blank=True,
        help_text="blank where a watched file is of no kind that is known",
    )
    file_name = models.CharField(max_length=255, help_text="as it was given, without its folder")
    sha256 = models.CharField(
        "SHA-256",
        max_length=64,
        blank=True,
        db_index=True,
        help_text="blank until there is a file, and where it was too large to be read",
    )
    model = models.PositiveSmallIntegerField(null=True, help_text="Coinglass's: 1, 2 or 3")
    range = models.CharField(max_length=10, blank=True, help_text="such as 24h")
    time_zone = models.CharField(
        max_length=64, blank=True, help_text="of the browser that took the screenshot"
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="workers that began it")
    window_start = models.DateTimeField(null=True)
    window_end = models.DateTimeField(null=True)
    figures = models.JSONField(default=dict, help_text="what the comparison found")
    hit_rate = models.FloatField(null=True)
    price_level_overlap = models.FloatField(null=True)
    passed = models.BooleanField(null=True, help_text="blank until it is known")
    reasons = models.JSONField(default=list, help_text="why it did not pass")
    unreadable = models.TextField(
        blank=True, help_text="why the reference could not be read or compared"
    )
    needs_time_zone = models.BooleanField(
        default=False, help_text="it failed for want of the browser's time zone"
    )
    missing_from = models.DateField(
        null=True, help_text="the first day of its window that is not loaded"
    )
    missing_until = models.DateField(null=True, help_text="the last one")
    loading = models.ForeignKey(
        IngestionJob,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="the job that loads the missing days; when it succeeded, the run is made again",
    )
    made_again_as = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="+", help_text="after loading"
    )
    verdict = models.CharField(
        max_length=12,
        choices=Symbol.Verdict.choices,
        blank=True,
        help_text="the gate's on the symbol, after this run",
    )
    verdict_reasons = models.JSONField(default=list)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.symbol or 'unknown symbol'}, {self.file_name}"

    @property
    def path(self) -> Path:
        """Where the file is kept."""
        return Path(settings.VALIDATION_DIR) / "references" / self.sha256
