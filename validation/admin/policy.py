"""The approval policy: one row, looked at and edited."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin

from validation.gate import approval
from validation.models import GatePolicy


@admin.register(GatePolicy)
class GatePolicyAdmin(ModelAdmin):
    fields = ("hit_rate", "price_level_overlap", "runs", "valid_days")
    change_form_template = "admin/validation/gatepolicy/change_form.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> GatePolicy:
        return GatePolicy.current()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        pk = GatePolicy.current().pk
        return HttpResponseRedirect(reverse("admin:validation_gatepolicy_change", args=[pk]))

    def save_model(self, request: HttpRequest, obj: GatePolicy, form: Any, change: bool) -> None:
        approval.change_policy(obj, by=request.user)
