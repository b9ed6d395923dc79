"""The life of a run, with a reader that says what a test needs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ingestion.models import Symbol
from validation import runs
from validation.coinglass import Unreadable
from validation.models import ValidationRun

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def symbol(settings, tmp_path) -> Symbol:
    settings.VALIDATION_DIR = tmp_path
    return Symbol.objects.get(name="ETHUSDT")


@pytest.fixture
def run(symbol) -> ValidationRun:
    return runs.create(symbol, "../ETHUSDT_24h.png", b"no picture", "screenshot", range="24 hours")


def test_the_file_is_kept_under_its_sha256_and_no_name_of_the_sender(run, tmp_path):
    assert run.path == tmp_path / "references" / run.sha256
    assert (run.file_name, run.range) == ("ETHUSDT_24h.png", "24h")
    assert [path.name for path in run.path.parent.iterdir()] == [run.sha256]


def test_what_cannot_be_read_fails_with_its_reason_and_the_gate_says_so(run, symbol):
    runs.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.passed, run.verdict) == ("failed", False, "no_reference")
    assert "neither a PNG nor a JPEG" in run.unreadable
    assert run.reasons == [run.unreadable] and run.unreadable in run.verdict_reasons[1]
    symbol.refresh_from_db()
    assert (symbol.verdict, symbol.validated_at) == ("no_reference", None)


def test_a_run_that_has_ended_is_left_alone(run):
    runs.execute(run.pk)
    first = ValidationRun.objects.get(pk=run.pk)
    runs.execute(run.pk)
    assert ValidationRun.objects.get(pk=run.pk).finished_at == first.finished_at
    again = runs.run_again(first)
    runs.execute(again.pk)
    assert ValidationRun.objects.count() == 2


def test_an_unforeseen_error_is_no_finding_about_the_symbol(run, symbol, monkeypatch):
    monkeypatch.setattr("validation.references.read", lambda run: 1 / 0)
    runs.execute(run.pk)
    run.refresh_from_db()
    symbol.refresh_from_db()
    assert (run.state, run.passed, symbol.verdict) == ("failed", None, "")
    assert "ZeroDivisionError" in run.error


def test_workers_that_die_over_a_run_are_counted(run, monkeypatch):
    def killed(run: ValidationRun) -> None:
        raise SystemExit  # as a worker that is stopped in the middle: nothing is written any more

    monkeypatch.setattr("validation.references.read", killed)
    for attempt in range(1, runs.MOST_ATTEMPTS + 1):
        with pytest.raises(SystemExit):
            runs.execute(run.pk)
        run.refresh_from_db()
        assert (run.state, run.attempts) == ("running", attempt)
    runs.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "its worker died 3 times; run it again")


def test_a_lost_message_is_sent_again_when_no_worker_can_be_at_it(run, symbol):
    now = timezone.now()
    past = now - timedelta(seconds=runs.LONGEST_SECONDS + 1)
    assert runs.forgotten(now) == []
    ValidationRun.objects.update(created_at=past)
    assert runs.forgotten(now) == [run.pk]
    ValidationRun.objects.update(started_at=now, state="running")
    assert runs.forgotten(now) == []
    ValidationRun.objects.update(started_at=past)
    assert runs.forgotten(now) == [run.pk]
    ValidationRun.objects.update(state="failed")
    assert runs.forgotten(now) == []


@pytest.mark.parametrize(
    ("content", "range", "reason"),
    [(b"x" * (1024 * 1024 + 1), "", "larger than"), (b"x", "soon", "no range such as 24h")],
)
def test_what_is_never_read_is_refused_at_the_door(symbol, settings, content, range, reason):
    settings.VALIDATION_MAX_PICTURE_MB = 1
    with pytest.raises(Unreadable, match=reason):
        runs.create(symbol, "a.png", content, "screenshot", range=range)
    assert not ValidationRun.objects.exists()
