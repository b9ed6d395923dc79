"""Calibrations: what was fitted, with its picture; each can be taken out of use and back."""

import io
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from heatmap.models import Calibration
from validation.calibration.plot import plot
from validation.calibration.run import set_active


@admin.register(Calibration)
class CalibrationAdmin(ModelAdmin):
    list_display = ("symbol", "created_at", "active", "turnover", "fitted", "gained", "days")
    list_filter = ("active", "symbol")
    exclude = ("points",)
    actions = ("take_out_of_use", "use_again")
    readonly_fields = ("picture",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        names = (field.name for field in Calibration._meta.fields if field.name != "points")
        return (*(name for name in names if name != "active"), "picture")

    @admin.display(description="longs, shorts")
    def fitted(self, row: Calibration) -> str:
        return (
            f"{row.long_scale:.3g} x swept^{row.long_power:.2f}, "
            f"{row.short_scale:.3g} x swept^{row.short_power:.2f}"
        )

    @admin.display(description="gain")
    def gained(self, row: Calibration) -> str:
        return f"{row.gain:.2f} ({row.gain_low:.2f} to {row.gain_high:.2f})"

    @admin.display(description="picture")
    def picture(self, row: Calibration) -> str:
        url = reverse("admin:heatmap_calibration_picture", args=[row.pk])
        return format_html('<img class="maps" src="{}" alt="Swept and recorded USD, by side">', url)

    @admin.action(description="Take out of use", permissions=["change"])
    def take_out_of_use(self, request: HttpRequest, chosen: QuerySet[Calibration]) -> None:
        for row in chosen.filter(active=True):
            set_active(row, False, by=request.user)

    @admin.action(description="Use again", permissions=["change"])
    def use_again(self, request: HttpRequest, chosen: QuerySet[Calibration]) -> None:
        for row in chosen.filter(active=False):
            set_active(row, True, by=request.user)

    def save_model(self, request: HttpRequest, obj: Calibration, form: Any, change: bool) -> None:
        if "active" in form.changed_data:
            set_active(obj, obj.active, by=request.user)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.picture_view)
        name = "heatmap_calibration_picture"
        return [path("<int:pk>/picture.png", view, name=name), *super().get_urls()]

    def picture_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = Calibration.objects.filter(pk=pk).first()
        if row is None or not self.has_view_permission(request, row):
            raise Http404(f"There is no calibration {pk}")
        picture = io.BytesIO()
        plot(row, picture)
        return HttpResponse(picture.getvalue(), content_type="image/png")
