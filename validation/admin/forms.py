"""The forms of the admin: a reference to compare, and what to ask Coinglass for."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from ingestion.models import Symbol
from validation import references
from validation.coinglass import Unreadable
from validation.coinglass import fetch as coinglass_api
from validation.coinglass.names import parse_range


def _symbol_field(**options: Any) -> forms.ModelChoiceField:
    return forms.ModelChoiceField(
        Symbol.objects.all(), to_field_name="name", widget=UnfoldAdminSelectWidget, **options
    )


def known_time_zone(name: str) -> str:
    """The name if there is such a zone, or blank. Raises ValidationError."""
    if name and name not in available_timezones():
        raise forms.ValidationError("This is no time zone such as UTC or Europe/Berlin.")
    return name


class ReferenceForm(forms.Form):
    """A file with a heatmap of Coinglass's, and what neither its name nor its picture says."""

    symbol = _symbol_field()
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ",".join(references.SUFFIXES)}),
        max_length=255,
    )
    model = forms.TypedChoiceField(
        choices=[("", "as the page or the name says"), *((one, one) for one in (1, 2, 3))],
        coerce=int,
        empty_value=None,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Coinglass's model.",
    )
    range = forms.CharField(
        required=False,
        max_length=10,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "24h"}),
        help_text="Such as 24h or 2w, where neither the page nor the name says it.",
    )
    time_zone = forms.CharField(
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "time-zones"}),
        help_text="Of the browser that took the screenshot, such as UTC or Europe/Berlin. Left "
        "blank, it is found by laying the picture's candles over ours.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        megabytes = references.limits().max_bytes // references.MEGABYTE
        self.fields["file"].help_text = (
            f"A screenshot of the heatmap's page (PNG or JPEG, up to {megabytes} MB), or a saved "
            "answer of Coinglass's API v4 (.json)."
        )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        try:
            most = references.most_bytes(references.source_of(file.name or ""))
        except Unreadable as error:
            raise forms.ValidationError(error.reason) from error
        if file.size is None or file.size > most:
            raise forms.ValidationError(f"The file is larger than the {most:,} bytes allowed.")
        return file

    def clean_range(self) -> str:
        text: str = self.cleaned_data["range"]
        if text and not parse_range(text):
            raise forms.ValidationError("This is no range such as 24h or 2w.")
        return text

    def clean_time_zone(self) -> str:
        return known_time_zone(self.cleaned_data["time_zone"])


class AskCoinglassForm(forms.Form):
    """Which heatmap to ask Coinglass's API for."""

    symbol = _symbol_field()
    model = forms.TypedChoiceField(
        choices=[(one, one) for one in coinglass_api.MODELS],
        coerce=int,
        widget=UnfoldAdminSelectWidget,
    )
    range = forms.ChoiceField(
        choices=[(one, one) for one in coinglass_api.RANGES],
        initial="24h",
        widget=UnfoldAdminSelectWidget,
    )
