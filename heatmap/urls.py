from django.urls import path
from django.views.generic import RedirectView

from heatmap import views

to_page = RedirectView.as_view(pattern_name="heatmap", query_string=True)

urlpatterns = [
    path("heatmap/", views.heatmap, name="heatmap"),
    path("", to_page),
    path("frontend/coinglass_heatmap.html", to_page),
]
