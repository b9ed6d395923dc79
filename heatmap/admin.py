"""Brackets in the admin: looked at, edited with the same check as on import, uploaded."""

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminFileFieldWidget

from heatmap import brackets
from heatmap.models import Bracket, BracketTable


class BracketFormSet(BaseInlineFormSet):
    """A table's rows, which must continue each other."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        rows = sorted(
            (
                form.cleaned_data["notional_floor"],
                form.cleaned_data["notional_cap"],
                form.cleaned_data["maintenance_margin_rate"],
                form.cleaned_data["max_leverage"],
                form.cleaned_data["cum"],
            )
            for form in self.forms
            if form.cleaned_data and not form.cleaned_data.get("DELETE")
        )
        if not rows:
            raise ValidationError("A table needs at least one bracket.")
        try:
            brackets.check(self.instance.symbol or "This table", timezone.now(), rows)
        except brackets.BadBrackets as error:
            raise ValidationError(str(error)) from error


class BracketInline(TabularInline):
    model = Bracket
    formset = BracketFormSet
    extra = 0
    ordering = ["notional_floor"]


class ImportForm(forms.Form):
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text="CSV with the columns symbol, notional_floor, notional_cap, mmr, max_leverage, "
        "cum (and first_seen), or the JSON of GET /fapi/v1/leverageBracket",
    )
    valid_from = forms.DateField(
        widget=UnfoldAdminDateWidget,
        initial=lambda: timezone.now().date(),
        help_text="UTC day from which tables without a date of their own hold",
    )


@admin.register(BracketTable)
class BracketTableAdmin(ModelAdmin):
    list_display = ["symbol", "valid_from", "bracket_count", "source", "imported_at"]
    list_filter = ["valid_from"]
    search_fields = ["symbol", "source"]
    inlines = [BracketInline]
    readonly_fields = ["imported_at"]
    actions_list = ["import_file"]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        brackets.record_change(form.instance, "edited" if change else "added", request.user)

    def delete_model(self, request: HttpRequest, obj: BracketTable) -> None:
        brackets.record_change(obj, "deleted", request.user)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[BracketTable]) -> None:
        for table in queryset:
            self.delete_model(request, table)

    @admin.display(description="brackets")
    def bracket_count(self, table: BracketTable) -> int:
        return table.brackets.count()

    @action(description="Import file…", url_path="import", permissions=["change"])
    def import_file(self, request: HttpRequest) -> HttpResponse:
        form = ImportForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            upload = form.cleaned_data["file"]
            midnight = datetime.combine(form.cleaned_data["valid_from"], time(), UTC)
            try:
                tables, remarks = brackets.read_file(
                    upload.read(brackets.MAX_FILE_BYTES + 1), midnight
                )
                count = brackets.store(tables, source=upload.name[:200], by=request.user)
            except brackets.BadBrackets as error:
                form.add_error("file", str(error))
            else:
                for remark in remarks:
                    messages.warning(request, remark)
                messages.success(request, f"{count} bracket tables imported.")
                return redirect("admin:heatmap_brackettable_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": "Import brackets",
            "form": form,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/heatmap/import_brackets.html", context)
