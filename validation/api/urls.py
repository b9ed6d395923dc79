from django.urls import path

from validation.api import views

urlpatterns = [
    path("validation/runs", views.RunsView.as_view(), name="validation-runs"),
    path("validation/summary", views.SummaryView.as_view(), name="validation-summary"),
]
