"""Symbols, jobs with chunks, roll backs, damaged files, the audit log, how the collectors do."""

import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Sum
from django.utils import timezone

from ingestion.market.days import Days
from ingestion.market.files import ArchiveFile
from liqheat_project.kernel.runs import AbstractRun
from liqheat_project.kernel.validators import validate_symbol_name


class Symbol(models.Model):
    """A Binance USD-M futures symbol that this installation knows.

    Data can be loaded for any registered symbol; the API and the page serve the enabled ones. What
    the comparison with the outside world says of it is written by the validation's gate only.
    """

    class Verdict(models.TextChoices):
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        NO_REFERENCE = "no_reference", "No reference"

    name = models.CharField(
        max_length=30,
        unique=True,
        validators=[validate_symbol_name],
        help_text="as Binance writes it, such as ETHUSDT or 1000PEPEUSDT",
    )
    tick_size = models.DecimalField(
        max_digits=20,
        decimal_places=10,
        validators=[MinValueValidator(Decimal("0.0000000001"))],
        help_text="smallest step of the price in USDT (PRICE_FILTER.tickSize of exchangeInfo)",
    )
    enabled = models.BooleanField(
        default=False, help_text="whether the API and the page serve this symbol"
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    verdict = models.CharField(
        max_length=12,
        choices=Verdict.choices,
        blank=True,
        editable=False,
        help_text="the gate's last word; blank where nothing was ever compared",
    )
    hit_rate = models.FloatField(
        null=True, editable=False, help_text="of the newest reference that could be compared"
    )
    validated_at = models.DateTimeField(null=True, editable=False)
    approved_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        permissions = [
            ("load_data", "Can load data into the lake"),
            ("roll_back", "Can roll back a symbol"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def enabled_names(cls) -> list[str]:
        """The names of the enabled symbols, asked of the database now."""
        return list(cls.objects.filter(enabled=True).values_list("name", flat=True))

    def is_approved(self, now: datetime) -> bool:
        """Whether an approval is in force: it ends by itself when its time has come."""
        until = self.approved_until
        return self.verdict == self.Verdict.APPROVED and until is not None and now < until

    @property
    def approval_has_expired(self) -> bool:
        return self.verdict == self.Verdict.APPROVED and not self.is_approved(timezone.now())


class IngestionJob(AbstractRun):
    """A request to load some days of a symbol's datasets; one chunk for every archive file."""

    class Source(models.TextChoices):
        ARCHIVE = "archive", "Public archive"
        FOLDER = "folder", "Local folder"

    class Period(models.TextChoices):
        DAILY = "daily", "Daily files"
        MONTHLY = "monthly", "Monthly files"

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="jobs")
    datasets = models.JSONField(default=list, help_text='such as ["aggTrades", "klines 15m"]')
    start_date = models.DateField()
    end_date = models.DateField(help_text="the last day, included")
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.ARCHIVE)
    folder = models.CharField(max_length=500, blank=True)
    period = models.CharField(max_length=10, choices=Period.choices, default=Period.DAILY)
    dry_run = models.BooleanField(
        default=False, help_text="fetch, verify and check every file, but write nothing"
    )
    reload = models.BooleanField(
        default=False, help_text="load files again that are in the lake already"
    )
    throttle_ms = models.PositiveIntegerField(
        default=0, help_text="pause before each file, in milliseconds"
    )

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.symbol} {', '.join(self.datasets)} {self.start_date} to {self.end_date}"

    def totals(self) -> dict[str, int]:
        """Sums over the chunks: rows, bytes, quarantined, duplicates."""
        sums = self.chunks.aggregate(
            rows=Sum("rows"),
            bytes=Sum("bytes_done"),
            quarantined=Sum("quarantined"),
            duplicates=Sum("duplicates"),
        )
        return {name: value or 0 for name, value in sums.items()}


class ChunkState(models.TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting for another attempt"
    LOADED = "loaded", "Loaded"
    CHECKED = "checked", "Checked, not written"
    UNCHANGED = "unchanged", "Already loaded"
    UNDECIDED = "undecided", "Needs a decision"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


GOOD_CHUNK_STATES = (ChunkState.LOADED, ChunkState.CHECKED, ChunkState.UNCHANGED)
FAILED_CHUNK_STATES = (ChunkState.FAILED, ChunkState.UNDECIDED)
ENDED_CHUNK_STATES = (*GOOD_CHUNK_STATES, *FAILED_CHUNK_STATES, ChunkState.CANCELLED)


class Chunk(models.Model):
    """One archive file of a job.

    A worker that loads it holds a lease: `lease_token` names the execution, `lease_until` is pushed
    forward as long as it gives signs of life. Only the holder of the token may write to the lake.
    """

    job = models.ForeignKey(IngestionJob, on_delete=models.CASCADE, related_name="chunks")
    dataset = models.CharField(max_length=20)
    interval = models.CharField(max_length=5, blank=True)
    period = models.CharField(max_length=10)
    start = models.DateField()
    state = models.CharField(
        max_length=10, choices=ChunkState.choices, default=ChunkState.PENDING, db_index=True
    )
    attempts = models.PositiveIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    rows = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    bytes_done = models.PositiveBigIntegerField(default=0)
    bytes_total = models.PositiveBigIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    verified = models.BooleanField(default=False, help_text="a .CHECKSUM confirmed the file")
    origin = models.CharField(max_length=600, blank=True)
    reason = models.TextField(blank=True)
    error_class = models.CharField(
        max_length=40,
        blank=True,
        help_text="what kind of error the reason is, by its class in ingestion/errors.py",
    )

    accept_fewer = models.BooleanField(
        default=False, help_text="a person said that it may replace more rows than it has"
    )
    accept_bad = models.BooleanField(
        default=False, help_text="a person said that its good rows may be loaded without the bad"
    )

    class Meta:
        ordering = ["dataset", "interval", "start"]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "dataset", "interval", "period", "start"],
                name="one_chunk_per_file_of_a_job",
            )
        ]

    def __str__(self) -> str:
        return self.file.name

    @property
    def file(self) -> ArchiveFile:
        """The archive file that this chunk loads."""
        return ArchiveFile(
            symbol=self.job.symbol.name,
            dataset=self.dataset,  # type: ignore[arg-type]
            interval=self.interval or None,
            start=self.start,
            period=self.period,  # type: ignore[arg-type]
        )

    @property
    def duration(self) -> timedelta | None:
        """Time from the first lease to the end; None while one of them is missing."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


class RollBack(models.Model):
    """Rows of a symbol that were taken out of the lake, and are kept for a while to be undone."""

    symbol = models.CharField(max_length=30, db_index=True, help_text="its name")
    first_day = models.DateField(null=True, blank=True, help_text="blank: from the beginning")
    last_day = models.DateField(null=True, blank=True, help_text="blank: to the newest row")
    rows = models.JSONField(default=dict, help_text="rows taken, by table")
    files = models.PositiveIntegerField(
        default=0, help_text="files of the ledger with a part in it"
    )
    quarantined = models.PositiveIntegerField(default=0, help_text="quarantined rows taken")
    kept_as = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    bytes_kept = models.PositiveBigIntegerField(default=0)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="blank when it was done from the shell",
    )
    at = models.DateTimeField(default=timezone.now, db_index=True)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    given_up_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, help_text="what an undo cannot bring back")

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.symbol}, {self.days}"

    @property
    def days(self) -> Days:
        return Days(self.first_day, self.last_day)

    @property
    def total(self) -> int:
        """Rows taken, of all tables."""
        return sum(self.rows.values())

    @property
    def expires_at(self) -> datetime:
        """Until when it can be undone."""
        return self.at + timedelta(days=settings.LAKE_UNDO_DAYS)

    @property
    def can_be_undone(self) -> bool:
        return self.undone_at is None and self.given_up_at is None


class DamagedFile(models.Model):
    """A file of the lake that is not what it was; the row goes when the file does, or is whole."""

    path = models.CharField(max_length=300, unique=True, help_text="below LAKE_DATA_PATH")
    symbol = models.CharField(max_length=30, blank=True, db_index=True, help_text="its name")
    table = models.CharField(max_length=60)
    dataset = models.CharField(
        max_length=30, blank=True, help_text="what its days are loaded from; blank: from nothing"
    )
    first_day = models.DateField(null=True, blank=True)
    last_day = models.DateField(null=True, blank=True)
    reason = models.TextField()
    found_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["symbol", "table", "first_day", "path"]

    def __str__(self) -> str:
        days = f", {self.days}" if self.first_day else ""
        return f"{self.symbol} {self.dataset or self.table}".strip() + days

    @property
    def days(self) -> Days:
        return Days(self.first_day, self.last_day)


class SymbolEvent(models.Model):
    """A line of the audit log: who did what to a symbol, and with what counts. Never changed."""

    class Act(models.TextChoices):
        ENABLED = "enabled", "Enabled"
        DISABLED = "disabled", "Disabled"
        ROLLED_BACK = "rolled_back", "Rolled back"
        ROLL_BACK_UNDONE = "roll_back_undone", "Roll back undone"
        UNDO_GIVEN_UP = "undo_given_up", "Undo given up"
        APPROVED = "approved", "Approved"
        APPROVAL_WITHDRAWN = "approval_withdrawn", "Approval withdrawn"
        POLICY_CHANGED = "policy_changed", "Approval policy changed"
        CALIBRATED = "calibrated", "Calibration changed"
        LOAD_ASKED = "load_asked", "Load asked for"
        LOAD_RETRIED = "load_retried", "Load retried"
        LOAD_CANCELLED = "load_cancelled", "Load cancelled"
        COMPARISON_ASKED = "comparison_asked", "Comparison asked for"
        SYMBOL_EDITED = "symbol_edited", "Symbol added or edited"
        BRACKETS_CHANGED = "brackets_changed", "Brackets changed"
        LOGGED_IN = "logged_in", "Logged in"
        LOGIN_FAILED = "login_failed", "Login failed"
        LOCKED_OUT = "locked_out", "Locked out"
        FILES_ACCEPTED = "files_accepted", "Files accepted"
        DAMAGE_FOUND = "damage_found", "Damage found"
        DAMAGE_REMOVED = "damage_removed", "Damaged file removed"

    symbol = models.CharField(
        max_length=30,
        blank=True,
        db_index=True,
        help_text="its name, which outlives its row; blank for what concerns all",
    )
    act = models.CharField(max_length=20, choices=Act.choices)
    text = models.TextField(blank=True)
    counts = models.JSONField(default=dict, help_text="such as rows removed by table")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        help_text="blank when it was done from the shell or by the program itself",
    )
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "audit log entry"
        verbose_name_plural = "audit log entries"

    def __str__(self) -> str:
        return f"{self.symbol} {self.get_act_display().lower()}".strip()


class CollectorState(models.Model):
    """How a collector that runs by itself is doing."""

    class Collector(models.TextChoices):
        OPEN_INTEREST = "open_interest", "Open interest"
        CANDLES = "candles", "Candles"
        LIQUIDATIONS = "liquidations", "Liquidations"
        ARCHIVE_SYNC = "archive_sync", "Daily archive files"
        CHECKSUMS = "checksums", "Checksums of the archive"
        CONTRACTS = "contracts", "Contracts of the exchange"
        LAKE_FILES = "lake_files", "Files of the lake"

    collector = models.CharField(max_length=20, choices=Collector.choices)
    symbol = models.CharField(max_length=30, blank=True, help_text="blank where it serves all")
    last_success = models.DateTimeField(null=True, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, help_text="kept after a success, until the next one")
    errors_in_a_row = models.PositiveIntegerField(default=0)
    next_run = models.DateTimeField(null=True, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["collector", "symbol"]
        verbose_name_plural = "system status"
        constraints = [
            models.UniqueConstraint(
                fields=["collector", "symbol"], name="one_state_per_collector_and_symbol"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_collector_display()} {self.symbol}".strip()
