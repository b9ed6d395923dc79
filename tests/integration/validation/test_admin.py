"""The admin's pages of validation: who may do what, and what they show."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from ingestion.lake import LakeConfig
from ingestion.models import Symbol, SymbolEvent
from tests.support.services import Worker, wait_until
from validation import runs
from validation.compare import drawing
from validation.models import GatePolicy, ValidationRun

pytestmark = pytest.mark.django_db

LIST = "/admin/validation/validationrun/"
POLICY = "/admin/validation/gatepolicy/1/change/"
LogIn = Callable[..., Client]


@pytest.fixture
def run(folder: Path) -> ValidationRun:
    """A run that ended with a finding: ours is better than chance in one of two figures."""
    lift = {"ours": 0.41, "chance": 0.3, "lift": 0.11, "low": 0.02, "high": 0.2}
    run = runs.create(Symbol.objects.get(name="ETHUSDT"), "<b>a.png", b"x", "screenshot")
    now = timezone.now()
    figures = {
        "hit_rate": 0.41,
        "price_level_overlap": 0.2,
        "tolerance": 0.005,
        "columns": 5,
        "last_column": {"hit_rate": 0.5, "price_level_overlap": None},
        "nulls": {
            "round_numbers": {
                "hit_rate": lift,
                "price_level_overlap": dict.fromkeys(("chance", "lift", "low", "high")),
            }
        },
        "gaps": 1,
        "missing": [{"kind": "open_interest", "start": "2024-11-01", "end": "2024-11-02"}],
        "data_start": "2024-10-31T00:00:00Z",
        "data_end": "2024-11-04T00:00:00Z",
        "remarks": ["Coinglass does not say"],
        "price_fit_residual_px": 0.44,
    }
    ValidationRun.objects.update(
        state="succeeded",
        steps_done=4,
        figures=figures,
        hit_rate=0.41,
        price_level_overlap=0.2,
        passed=False,
        reasons=["hit rate 0.41, more than 0.60 is needed"],
        window_start="2024-10-30T12:00Z",
        window_end="2024-11-01T12:00Z",
        verdict="rejected",
        verdict_reasons=["of the newest run"],
        finished_at=now,
    )
    run.refresh_from_db()
    return run


def text_of(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def picture(name: str = "ETHUSDT_24h.png", content: bytes = b"no picture") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_only_those_who_may_see_and_act(run: ValidationRun, log_in: LogIn) -> None:
    page, acts = f"{LIST}{run.pk}/", ("upload/", f"{run.pk}/run-again/")
    drawing.path_of(run).parent.mkdir(parents=True)
    drawing.path_of(run).write_bytes(b"\x89PNG")
    nobody, reader, adder = log_in(), log_in("view_validationrun"), log_in("add_validationrun")
    for address in (LIST, f"{page}change/", f"{page}progress/", f"{page}maps.png"):
        assert Client().get(address).headers["Location"].startswith("/admin/login/")
        assert nobody.get(address).status_code == 403
        assert reader.get(address).status_code == 200
        assert adder.get(address).status_code == 200
    for act in acts:
        assert Client().post(LIST + act).headers["Location"].startswith("/admin/login/")
        assert nobody.post(LIST + act).status_code == 403
        assert reader.post(LIST + act).status_code == 403
        assert f"{LIST}{act}" not in text_of(reader, f"{page}change/") + text_of(reader, LIST)
    for client in (reader, adder):
        assert client.get(f"{LIST}add/").status_code == 403
        assert client.post(f"{page}delete/", {"post": "yes"}).status_code == 403
    assert adder.get(f"{page}run-again/").status_code == 405
    assert ValidationRun.objects.count() == 1


def test_the_page_says_what_was_found_and_why(run: ValidationRun, log_in: LogIn) -> None:
    page = text_of(log_in("view_validationrun"), f"{LIST}{run.pk}/change/")
    assert "hit rate 0.41, more than 0.60 is needed" in page
    assert "open interest from 2024-11-01 to 2024-11-02" in page
    assert "The reference begins at 2024-10-30 12:00, our data at 2024-10-31 00:00" in page
    assert "No other symbol was compared for 2024-11-01" in page
    assert "round numbers" in page and "0.02 to 0.20" in page and "not known" in page
    assert run.sha256 in page and "0.44 px" in page and "Coinglass does not say" in page
    assert "&lt;b&gt;a.png" in page and "<b>a" not in page
    assert "maps.png" not in page  # nothing was drawn


def test_the_other_symbol_s_figure_of_the_day_is_named(run: ValidationRun, log_in: LogIn) -> None:
    bitcoin = Symbol.objects.get(name="BTCUSDT")
    for hit_rate, day in ((0.71, 1), (0.99, 2)):
        ValidationRun.objects.create(
            symbol=bitcoin,
            source="api",
            hit_rate=hit_rate,
            window_end=f"2024-11-0{day}T20:00Z",
            finished_at=timezone.now(),
        )
    page = text_of(log_in("view_validationrun"), f"{LIST}{run.pk}/change/")
    assert "Hit rate of others for 2024-11-01: BTCUSDT 0.71." in page


def test_the_list_filters(run: ValidationRun, log_in: LogIn) -> None:
    client, row = log_in("view_validationrun"), f">{run.pk}</a>"
    for query in ("passed__exact=0", "state__exact=succeeded", f"q={run.sha256}"):
        assert row in text_of(client, f"{LIST}?{query}")
    for query in ("passed__exact=1", "source__exact=api", "state__exact=failed", "q=nothing"):
        assert row not in text_of(client, f"{LIST}?{query}")
    bitcoin = Symbol.objects.get(name="BTCUSDT")
    assert row in text_of(client, f"{LIST}?symbol__id__exact={run.symbol_id}")
    assert row not in text_of(client, f"{LIST}?symbol__id__exact={bitcoin.pk}")


def test_an_upload_becomes_a_run_of_who_asked(
    folder: Path, log_in: LogIn, lake: LakeConfig
) -> None:
    client = log_in("add_validationrun", "view_symbol")
    ethereum = Symbol.objects.get(name="ETHUSDT")
    page = text_of(client, f"/admin/ingestion/symbol/{ethereum.pk}/change/")
    assert f"{LIST}upload/?symbol=ETHUSDT" in page
    assert f"{LIST}?symbol__id__exact={ethereum.pk}" in page
    assert 'value="ETHUSDT" selected' in text_of(client, f"{LIST}upload/?symbol=ETHUSDT")
    values = {"symbol": "ETHUSDT", "model": "2", "range": "24 hours", "time_zone": "Asia/Tokyo"}
    response = client.post(f"{LIST}upload/", values | {"file": picture()})
    run = ValidationRun.objects.get()
    assert response.headers["Location"] == f"{LIST}{run.pk}/change/"
    assert (run.symbol, run.model, run.range, run.time_zone) == (ethereum, 2, "24h", "Asia/Tokyo")
    assert run.requested_by.username == "staff0"
    assert run.path.read_bytes() == b"no picture"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"file": picture("a.svg")}, "neither a picture"),
        ({"file": picture(content=b"x" * (1024 * 1024 + 1))}, "larger than the 1,048,576 bytes"),
        ({"file": picture(content=b"")}, "empty"),
        ({"file": picture(), "range": "soon"}, "no range such as"),
        ({"file": picture(), "time_zone": "../etc/passwd"}, "no time zone such as"),
        ({"file": picture(), "model": "4"}, "not one of the available choices"),
        ({"file": picture(), "symbol": "NOPEUSDT"}, "not one of the available choices"),
    ],
)
def test_what_cannot_be_is_refused_on_the_form(
    folder: Path, log_in: LogIn, settings, values: dict, reason: str
) -> None:
    settings.VALIDATION_MAX_PICTURE_MB = 1
    response = log_in("add_validationrun").post(
        f"{LIST}upload/", {"symbol": "ETHUSDT", "model": ""} | values
    )
    assert reason in response.content.decode()
    assert not ValidationRun.objects.exists()


def test_coinglass_is_asked_only_where_there_is_a_key(
    folder: Path, log_in: LogIn, settings
) -> None:
    client = log_in("add_validationrun")
    values = {"symbol": "ETHUSDT", "model": "1", "range": "24h"}
    assert 'id="ask"' not in text_of(client, f"{LIST}upload/")
    assert client.post(f"{LIST}ask/", values).status_code == 404
    settings.COINGLASS_API_KEY = "a-secret-key"
    page = text_of(client, f"{LIST}upload/?symbol=ETHUSDT")
    assert 'id="ask"' in page and "a-secret-key" not in page
    client.post(f"{LIST}ask/", values)
    run = ValidationRun.objects.get()
    assert (run.source, run.model, run.range, run.sha256) == ("api", 1, "24h", "")


def test_running_again_makes_another_run_on_the_same_file(
    run: ValidationRun, log_in: LogIn
) -> None:
    client = log_in("add_validationrun")
    client.post(f"{LIST}{run.pk}/run-again/")
    again = ValidationRun.objects.latest("pk")
    assert (again.pk != run.pk, again.sha256, again.state) == (True, run.sha256, "queued")
    run.path.unlink()
    page = client.post(f"{LIST}{run.pk}/run-again/", follow=True).content.decode()
    assert "There is nothing that could be run again" in page
    assert 'id="again"' not in page
    assert ValidationRun.objects.count() == 2


def test_the_policy_is_edited_within_bounds_and_audited(log_in: LogIn) -> None:
    assert log_in().get(POLICY).status_code == 403
    assert log_in("view_gatepolicy").post(POLICY, {}).status_code == 403
    client = log_in("change_gatepolicy")
    assert client.get("/admin/validation/gatepolicy/").headers["Location"] == POLICY
    assert 'value="0.6"' in text_of(client, POLICY)
    assert not GatePolicy.objects.exists()  # looking changes nothing
    values = {"hit_rate": "0.65", "price_level_overlap": "0.7", "runs": "3", "valid_days": "30"}
    for name, bad in (("hit_rate", "1.5"), ("hit_rate", "nan"), ("runs", "0")):
        assert client.post(POLICY, values | {name: bad}).status_code == 200
    changes = SymbolEvent.objects.filter(act=SymbolEvent.Act.POLICY_CHANGED)
    assert not changes.exists()
    assert client.post(POLICY, values).status_code == 302
    event = changes.get()
    assert event.text == "hit rate 0.60 -> 0.65"
    assert event.by.username == "staff2"
    assert GatePolicy.current().rule.hit_rate == 0.65
    assert client.get("/admin/validation/gatepolicy/add/").status_code == 403
    assert client.post(POLICY.replace("change", "delete")).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_worker_does_the_run_and_the_page_follows_it(
    folder: Path, log_in: LogIn, start_worker: Callable[..., Worker], lake: LakeConfig
) -> None:
    client = log_in("add_validationrun")
    page = client.post(
        f"{LIST}upload/", {"symbol": "ETHUSDT", "model": "", "file": picture()}, follow=True
    ).content.decode()
    run = ValidationRun.objects.get()
    address = f"{LIST}{run.pk}/progress/"
    assert f'data-progress-url="{address}"' in page
    start_worker(queues="validation", concurrency=1)
    wait_until(lambda: client.get(address).json()["ended"], 30, "the run to end")
    shown = client.get(address).json()["fragments"]
    assert "neither a PNG nor a JPEG" in shown["summary"]
    assert 'id="again"' in shown["buttons"]
    assert "data-progress-url" not in text_of(client, f"{LIST}{run.pk}/change/")
