from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from liqheat_project.ops.health import health, live, ready
from liqheat_project.ops.metrics import metrics

handler404 = "liqheat_project.error_pages.not_found"
handler500 = "liqheat_project.error_pages.server_error"
admin.autodiscover()
urlpatterns = [
    path("", include("heatmap.urls")),
    path("", include("ingestion.api.urls")),
    path("", include("heatmap.api.urls")),
    path("", include("validation.api.urls")),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("health", health, name="health"),
    path("health/ready", ready, name="health-ready"),
    path("health/live", live, name="health-live"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
