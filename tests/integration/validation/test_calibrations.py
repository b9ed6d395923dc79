"""The admin's page of calibrations: what was fitted is shown, and can be taken back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse

from heatmap.calibration import calibration_of
from heatmap.models import Calibration
from ingestion.models import SymbolEvent

CHANGELIST = "admin:heatmap_calibration_changelist"


@pytest.fixture
def client(admin_client: Any, settings: Any) -> Any:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    return admin_client


def calibration(power: float) -> Calibration:
    return Calibration.objects.create(
        symbol="ETHUSDT",
        model="turnover",
        turnover=0.3,
        long_scale=0.01,
        long_power=power,
        short_scale=0.02,
        short_power=1.1,
        data_start=datetime(2025, 5, 1, tzinfo=UTC),
        data_end=datetime(2025, 5, 31, tzinfo=UTC),
        days=30,
        intervals=400,
        gain=0.4,
        gain_low=0.2,
        gain_high=0.6,
        points=[[[1e6, 1e4], [1e7, 1e5]], []],
    )


def test_taking_the_newest_out_of_use_brings_back_the_one_before(client: Any) -> None:
    before, newest = calibration(0.8), calibration(0.9)
    assert calibration_of("ETHUSDT") == newest
    data = {"action": "take_out_of_use", "_selected_action": [newest.pk]}
    assert client.post(reverse(CHANGELIST), data).status_code == 302
    assert calibration_of("ETHUSDT") == before
    event = SymbolEvent.objects.get(act="calibrated")
    assert (event.act, event.symbol, event.by.username) == ("calibrated", "ETHUSDT", "admin")
    data = {"action": "use_again", "_selected_action": [newest.pk]}
    assert client.post(reverse(CHANGELIST), data).status_code == 302
    assert calibration_of("ETHUSDT") == newest


def test_the_page_shows_the_fit_and_its_picture(client: Any) -> None:
    row = calibration(0.8)
    listed = client.get(reverse(CHANGELIST)).content.decode()
    assert "0.01 x swept^0.80, 0.02 x swept^1.10" in listed
    assert "0.40 (0.20 to 0.60)" in listed
    page = client.get(reverse("admin:heatmap_calibration_change", args=[row.pk]))
    url = reverse("admin:heatmap_calibration_picture", args=[row.pk])
    assert url in page.content.decode()
    picture = client.get(url)
    assert picture["Content-Type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


def test_the_picture_is_for_those_who_may_see_it(client: Any, django_user_model: Any) -> None:
    url = reverse("admin:heatmap_calibration_picture", args=[calibration(0.8).pk])
    client.force_login(django_user_model.objects.create_user("other", is_staff=True))
    assert client.get(url).status_code == 404
