import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from liqheat_project.launcher import processes
from liqheat_project.launcher.processes import Child, GaveUp, Supervisor
from tests.support.services import CHECKOUT, wait_until

FOREVER = "import time; print('started', flush=True); time.sleep(600)"
CHATTY = (
    "import time\nwhile True: print('a line of thirty letters or so', flush=True); time.sleep(0.01)"
)
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"
# Starts a grandchild that would outlive it, and says which.
PARENT = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {FOREVER!r}]).pid)"


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(said):
    supervisor = Supervisor(said.append)
    yield supervisor
    supervisor.stop(patience_seconds=0)


@pytest.fixture
def child(tmp_path):
    def make(name, program, vital=False):
        command = [sys.executable, "-c", program]
        return Child(name, command, dict(os.environ), tmp_path, vital)

    return make


def started(child):
    wait_until(lambda: "started" in child.log.read_text(), 30, f"{child.name} to start")


def test_a_dead_program_is_started_again_after_a_delay(supervisor, child, said):
    web = child("web", FOREVER)
    supervisor.add(web)
    first = web.process.pid
    web.process.kill()
    wait_until(lambda: supervisor.check() or said, 30, "the death to be noticed")
    assert said == [f"web ended (code -9); next start in 1 s. See {web.log}"]
    assert web.process.pid == first
    wait_until(lambda: supervisor.check() or web.process.pid != first, 30, "the next start")
    assert web.process.poll() is None


def test_a_vital_program_that_keeps_dying_ends_the_start(supervisor, child, said, monkeypatch):
    monkeypatch.setattr(processes, "QUICK_DEATHS_ALLOWED", 2)
    supervisor.add(child("web", "raise SystemExit('no such setting')", vital=True))
    with pytest.raises(GaveUp, match=r"web ended 2 times right after its start \(code 1\)"):
        wait_until(supervisor.check, 60, "the supervisor to give up")


@pytest.mark.parametrize("vital", [False, True])
def test_a_program_that_keeps_dying_waits_longer_and_the_others_go_on(
    supervisor, child, said, monkeypatch, vital
):
    monkeypatch.setattr(processes, "QUICK_DEATHS_ALLOWED", 2)
    monkeypatch.setattr(processes, "LONGEST_DELAY_SECONDS", 1.5)
    supervisor.starting = not vital
    web, other = child("web", "raise SystemExit(1)", vital), child("other", FOREVER)
    supervisor.add(web)
    supervisor.add(other)
    wait_until(lambda: supervisor.check() or len(said) == 3, 60, "three deaths")
    assert [line[:35] for line in said] == [
        f"web ended (code 1); next start in {seconds}" for seconds in (1, 2, 2)
    ]
    assert supervisor.failing == ["web"]
    assert other.process.poll() is None


def test_a_program_that_recovers_does_not_count_as_failing(supervisor, child, monkeypatch):
    web = child("web", FOREVER)
    supervisor.add(web)
    web.quick_deaths = processes.QUICK_DEATHS_ALLOWED
    supervisor.check()
    assert supervisor.failing == ["web"]
    monkeypatch.setattr(processes, "QUICK_DEATH_SECONDS", 0)
    supervisor.check()
    assert supervisor.failing == []


def test_a_program_that_cannot_be_started_is_tried_again(supervisor, child, said):
    web = child("web", FOREVER)
    supervisor.add(web)
    command, web.command = web.command, ["/nowhere"]
    web.process.kill()
    wait_until(lambda: supervisor.check() or len(said) == 2, 30, "a start that fails")
    assert "web cannot be started" in said[1]
    web.command = command
    wait_until(lambda: supervisor.check() or web.process.poll() is None, 30, "the next start")


def test_a_program_that_ran_for_long_is_not_given_up(child, monkeypatch):
    monkeypatch.setattr(processes, "QUICK_DEATH_SECONDS", 0)
    web = child("web", "pass")
    for _ in range(processes.QUICK_DEATHS_ALLOWED + 1):
        web.start()
        web.process.wait()
        assert web.schedule_restart() == 1
    assert web.quick_deaths == 1


def test_a_program_that_ignores_the_request_to_end_is_killed(supervisor, child, said):
    deaf = child("deaf", DEAF)
    supervisor.add(child("broker", FOREVER))
    supervisor.add(deaf)
    started(deaf)
    supervisor.stop(patience_seconds=0.2)
    assert deaf.process.returncode == -signal.SIGKILL
    assert said == ["deaf did not end within 0 s: killed."]


def test_what_a_dead_program_left_running_is_ended_too(supervisor, child):
    parent = child("parent", PARENT)
    supervisor.add(parent)
    parent.process.wait()
    orphan = psutil.Process(int(parent.log.read_text().split()[0]))
    supervisor.check()
    wait_until(
        lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE,
        30,
        "the orphan to end",
    )


def test_a_program_ends_with_a_killed_parent(tmp_path):
    log = tmp_path / "child.log"
    program = (
        "from pathlib import Path; import sys, time\n"
        "from liqheat_project.launcher.processes import spawn\n"
        f"print(spawn([sys.executable, '-c', {FOREVER!r}], Path({str(log)!r})).pid, flush=True)\n"
        "time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    orphan = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    wait_until(
        lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE,
        30,
        "the child to end with its parent",
    )


def test_an_interrupt_amid_a_start_is_not_lost_in_the_fork(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from liqheat_project.launcher.processes import spawn\n"
        "os.register_at_fork(before=lambda: signal.raise_signal(signal.SIGINT))\n"
        "try:\n"
        f"    spawn([sys.executable, '-c', 'pass'], Path({str(tmp_path / 'log')!r}))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_a_long_log_is_put_aside_at_the_next_start(child, monkeypatch):
    monkeypatch.setattr(processes, "LOG_LIMIT_BYTES", 10)
    web = child("web", "print('twenty letters or so')")
    for _ in range(2):
        web.start()
        web.process.wait()
        time.sleep(0.01)
    assert web.log.read_text() == web.log.with_suffix(".log.1").read_text()


def test_the_log_of_a_program_that_runs_for_long_is_put_aside_too(supervisor, child, monkeypatch):
    monkeypatch.setattr(processes, "LOG_LIMIT_BYTES", 1000)
    web = child("web", CHATTY)
    supervisor.add(web)
    wait_until(lambda: web.log.stat().st_size > 1000, 30, "a long log")
    web.process.send_signal(signal.SIGSTOP)
    supervisor.check()
    assert web.log.with_suffix(".log.1").stat().st_size > 1000
    assert web.log.stat().st_size == 0
    web.process.send_signal(signal.SIGCONT)
    wait_until(lambda: web.log.stat().st_size, 30, "the program to write on")
    assert web.log.read_text().startswith("a line")
