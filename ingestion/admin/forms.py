"""The forms of the admin: what to look for at a source, and what to load from it."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from ingestion.errors import RefusedPath, RefusedRange
from ingestion.loading.jobs import MAX_THROTTLE_MS
from ingestion.market.datasets import SERIES
from ingestion.models import IngestionJob, Symbol
from ingestion.quality.availability import MAX_FILES
from ingestion.symbols.rollback import days_between

GROUPS = {
    "aggTrades": "Trades",
    "metrics": "Open interest",
    "klines": "Candles",
    "markPriceKlines": "Mark price candles",
}
USUAL_DATASETS = ("aggTrades", "klines 1m", "klines 5m", "klines 15m", "metrics")
USUAL_DAYS = 30


def grouped_datasets() -> list[tuple[str, list[tuple[str, str]]]]:
    """SERIES as a choice field groups them."""
    return [
        (title, [(name, name) for name in SERIES if name.partition(" ")[0] == dataset])
        for dataset, title in GROUPS.items()
    ]


def folder_within(root: Path, text: str) -> Path:
    """The folder that `text` names: relative to `root`, or absolute and inside of it.

    Raises RefusedPath for what is no folder or leads out of `root`, by `..`, by a symlink or by
    its name.
    """
    if "\0" in text:
        raise RefusedPath("A folder's name holds no zero bytes")
    try:
        folder = (root / text).resolve()
    except (OSError, RuntimeError) as error:
        raise RefusedPath(f"{text} cannot be followed: {error}") from error
    if not folder.is_relative_to(root.resolve()):
        raise RefusedPath(f"{text} lies outside the data folder {root}")
    if not folder.is_dir():
        raise RefusedPath(f"{folder} is not a folder")
    return folder


class DayInput(forms.DateInput):
    """The browser's own date field: it needs no script and obeys the keyboard."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(attrs={"class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%d")


class SymbolForm(forms.ModelForm):
    """A symbol, its tick size without the zeros that the database adds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["tick_size"] = f"{self.instance.tick_size.normalize():f}"


class SourceForm(forms.Form):
    """Symbols, datasets and days, and the source to look for them."""

    symbols = forms.ModelMultipleChoiceField(
        Symbol.objects.all(),
        to_field_name="name",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    datasets = forms.MultipleChoiceField(
        choices=grouped_datasets, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    start_date = forms.DateField(label="First day", widget=DayInput)
    end_date = forms.DateField(label="Last day", widget=DayInput, help_text="included")
    source = forms.ChoiceField(
        choices=IngestionJob.Source.choices, widget=UnfoldAdminRadioSelectWidget
    )
    folder = forms.CharField(
        required=False, max_length=500, widget=UnfoldAdminTextInputWidget, strip=True
    )
    period = forms.ChoiceField(
        label="Files",
        choices=IngestionJob.Period.choices,
        widget=UnfoldAdminRadioSelectWidget,
        help_text="Open interest has daily files only.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[
            "folder"
        ].help_text = (
            f"For the local folder: one below {settings.DATA_DIR}; blank is that folder itself."
        )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("source") != IngestionJob.Source.FOLDER:
            values["folder"] = ""
        elif "folder" in values:
            try:
                values["folder"] = str(folder_within(settings.DATA_DIR, values["folder"]))
            except RefusedPath as error:
                self.add_error("folder", str(error))
        first, last = values.get("start_date"), values.get("end_date")
        if first and last and last < first:
            self.add_error("end_date", "The last day comes before the first.")
        return values


class LoadForm(SourceForm):
    """What to load, and how."""

    dry_run = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Fetch, verify and check every file, but write nothing.",
    )
    reload = forms.BooleanField(
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Load files again that are in the lake already.",
    )
    throttle_ms = forms.IntegerField(
        label="Throttle (ms)",
        min_value=0,
        max_value=MAX_THROTTLE_MS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Pause before each file.",
    )


class DaysForm(forms.Form):
    """Some days, or all of them; `days` of what was cleaned."""

    start_date = forms.DateField(label="First day", required=False, widget=DayInput)
    end_date = forms.DateField(
        label="Last day",
        required=False,
        widget=DayInput,
        help_text="included; without either, everything",
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            try:
                values["days"] = days_between(values["start_date"], values["end_date"])
            except RefusedRange as error:
                self.add_error("end_date", f"{error}.")
        return values


def usual_values(symbols: int = 1) -> dict[str, Any]:
    """What the forms begin with: as many days up to yesterday, the last that can be published, as
    one check of availability may ask for."""
    yesterday = timezone.now().date() - timedelta(days=1)
    days = max(1, min(USUAL_DAYS, MAX_FILES // (len(USUAL_DATASETS) * max(1, symbols))))
    return {
        "datasets": list(USUAL_DATASETS),
        "start_date": _iso(yesterday - timedelta(days=days - 1)),
        "end_date": _iso(yesterday),
        "source": IngestionJob.Source.ARCHIVE,
        "period": IngestionJob.Period.DAILY,
        "throttle_ms": 0,
    }


def _iso(day: date) -> str:
    return day.isoformat()
