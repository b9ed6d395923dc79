from django.urls import path

from ingestion.api.symbols import SymbolsView

urlpatterns = [path("symbols", SymbolsView.as_view(), name="symbols")]
