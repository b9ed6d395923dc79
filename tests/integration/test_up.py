import os
import re
import signal
import socket
import stat
import subprocess
import sys

import httpx
import psutil
import pytest

from liqheat_project.management.commands import load_demo
from tests.support.launcher import READY_SECONDS, Launcher
from tests.support.services import CHECKOUT, wait_until

pytestmark = pytest.mark.slow
PROGRAMS = ["beat", "broker", "cache", "flower", "ingest", "liquidations", "live", "web"]


@pytest.fixture
def launcher(tmp_path):
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.kill()


def ended(processes):
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )


def mode(file):
    return stat.S_IMODE(file.stat().st_mode)


def test_make_demo_answers_everywhere_and_ctrl_c_stops_it_all(launcher):
    launcher.start("make", "demo", "ARGS=2")
    launcher.wait_for("The demo market is loaded.")
    password = launcher.secret("ADMIN_PASSWORD")
    assert password in launcher.output
    assert mode(launcher.env_file) == 0o600
    assert mode(launcher.folder / "var" / "broker" / "url") == 0o600
    assert sorted(log.stem for log in (launcher.folder / "var" / "log").iterdir()) == PROGRAMS

    with httpx.Client(base_url=f"http://{launcher.web}") as client:
        assert client.get("/health/ready").status_code == 200
        page = client.get("/admin/login/")
        assert page.status_code == 200
        assert client.get(re.search(r'href="(/static/[^"]+\.css)"', page.text)[1]).is_success
        form = {"username": "admin", "password": password, "next": "/admin/"}
        form["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
        assert client.post("/admin/login/", data=form).headers["location"] == "/admin/"
        for symbol in load_demo.SYMBOLS:
            market = {"symbol": symbol, "time_window": "24h"}
            answer = client.get("/liquidations/heatmap-timeseries", params=market, timeout=60)
            columns = answer.json()["data"]
            assert columns and all(column["levels"] for column in columns)

    flower = f"http://{launcher.flower}/api/workers?refresh=1"
    assert httpx.get(flower).status_code == 401
    user, _, password = launcher.secret("FLOWER_BASIC_AUTH").partition(":")
    workers = httpx.get(flower, auth=(user, password), timeout=30).json()
    assert sorted(name.partition("@")[0] for name in workers) == ["ingest", "live"]

    processes = launcher.processes()
    assert len(processes) >= 12
    os.killpg(launcher.process.pid, signal.SIGINT)  # as the terminal does
    launcher.process.wait(60)
    assert "All stopped." in launcher.output
    assert ended(processes)
    assert not (launcher.folder / "var" / "broker" / "url").exists()


def test_the_launcher_restarts_what_dies_and_takes_all_along_when_it_is_killed(launcher):
    launcher.start_and_wait()

    second = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=CHECKOUT,
        env=dict(psutil.Process(launcher.process.pid).environ()),
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert "VAR_DIR: `manage.py up` already runs on" in second.stderr

    web = launcher.program("gunicorn")
    grandchildren = web.children()
    web.kill()
    wait_until(lambda: ended(grandchildren), 30, "the web processes to end with their parent")
    wait_until(lambda: "web ended (code -9); next start in" in launcher.output, 30, "a word on it")
    wait_until(lambda: answers(launcher.web), 60, "the web server to come back")

    processes = launcher.processes()
    assert len(processes) >= 12
    launcher.process.kill()
    launcher.process.wait()
    wait_until(lambda: ended(processes), 30, "every process to end with the launcher")


def test_ctrl_c_amid_the_start_stops_what_already_runs(launcher):
    launcher.start()
    wait_until(lambda: "Admin user" in launcher.output, READY_SECONDS, "the first programs")
    processes = launcher.processes()
    assert processes
    launcher.process.send_signal(signal.SIGINT)
    assert launcher.process.wait(60) == 0, launcher.output
    # One that was being started when the signal came is ended by the kernel, a moment later.
    wait_until(lambda: ended(processes), 10, "every process to end with the launcher")
    assert "Traceback" not in launcher.output


@pytest.mark.parametrize("name", ["WEB_ADDRESS", "FLOWER_ADDRESS"])
def test_a_port_in_use_is_refused_by_the_name_of_its_setting(launcher, name):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        busy = f"127.0.0.1:{listener.getsockname()[1]}"
        setattr(launcher, "web" if name == "WEB_ADDRESS" else "flower", busy)
        launcher.start()
        assert launcher.process.wait(60) == 1
    assert f"{name}: cannot listen on {busy} (Address already in use)" in launcher.output


def answers(address):
    try:
        return httpx.get(f"http://{address}/admin/login/").is_success
    except httpx.TransportError:
        return False
