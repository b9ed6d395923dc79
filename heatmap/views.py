"""The heatmap page: its frame and its choices. What it shows, it asks of the API."""

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.http import require_safe

from heatmap.build import DEFAULT_WINDOW, MODELS, WINDOWS
from heatmap.engine import COINGLASS_3
from ingestion.market.datasets import INTERVALS
from ingestion.models import Symbol
from ingestion.symbols.supported_pairs import HEADINGS

MODEL_LABELS = {COINGLASS_3.name: "like Coinglass"}
PALETTES = ("viridis", "magma", "cividis")
THEMES = ("auto", "dark", "light")
STATIC = Path(__file__).parent / "static"
SCRIPTS = sorted(str(path.relative_to(STATIC)) for path in STATIC.glob("heatmap/js/*/*.js"))
"""The page's modules, named in its head so that the browser need not discover them one by one."""


@require_safe
def heatmap(request: HttpRequest) -> HttpResponse:
    theme = request.COOKIES.get("theme")
    response = render(
        request,
        "heatmap/page.html",
        {
            "symbols": Symbol.enabled_names(),
            "windows": WINDOWS,
            "default_window": DEFAULT_WINDOW,
            "intervals": INTERVALS,
            "models": [(name, MODEL_LABELS.get(name, name)) for name in MODELS],
            "palettes": PALETTES,
            "theme": theme if theme in THEMES else "auto",
            "scripts": SCRIPTS,
            "pair_headings": HEADINGS,
        },
    )
    patch_vary_headers(response, ["Cookie"])
    patch_cache_control(response, no_cache=True)
    return response
