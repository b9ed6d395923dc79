from django.urls import path

from heatmap.api import views

urlpatterns = [
    path("liquidations/heatmap-timeseries", views.HeatmapView.as_view(), name="heatmap-timeseries"),
    path("liquidations/map", views.MapView.as_view(), name="liquidation-map"),
    path("liquidations/explain", views.ExplainView.as_view(), name="explain"),
    path("prices/klines", views.KlinesView.as_view(), name="klines"),
    path("data/date-range", views.DateRangeView.as_view(), name="date-range"),
    path("data/quality", views.QualityView.as_view(), name="data-quality"),
    path("symbols", views.SymbolsView.as_view(), name="symbols"),
]
