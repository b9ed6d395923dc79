from django.urls import path

from heatmap.api.date_range import DateRangeView
from heatmap.api.explain import ExplainView
from heatmap.api.heatmap_timeseries import HeatmapView
from heatmap.api.klines import KlinesView
from heatmap.api.liquidation_map import MapView
from heatmap.api.quality import QualityView

urlpatterns = [
    path("liquidations/heatmap-timeseries", HeatmapView.as_view(), name="heatmap-timeseries"),
    path("liquidations/map", MapView.as_view(), name="liquidation-map"),
    path("liquidations/explain", ExplainView.as_view(), name="explain"),
    path("prices/klines", KlinesView.as_view(), name="klines"),
    path("data/date-range", DateRangeView.as_view(), name="date-range"),
    path("data/quality", QualityView.as_view(), name="data-quality"),
]
