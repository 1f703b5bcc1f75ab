"""The dashboard: what it answers, and whom it does not."""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from hpconv.errors import UserError
from hpconv.report import live_payload
from hpconv.report.dashboard import Dashboard
from tests.conftest import hpconv

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def document(tid: int) -> dict[str, Any]:
    """A trial as the driver writes it; every seventh fails, every ninth is stopped."""
    draw = random.Random(tid)
    option, scale = draw.randrange(3), 10 ** draw.uniform(-6, 2)
    vals = {"exit": [option], "l0_scale": [scale], "l0_size": [5.0] if option else []}
    begun = BEGIN + timedelta(seconds=10 * (tid // 2) + tid % 2)
    result = {"status": "ok", "loss": 0.02 + 0.3 * draw.random(), "feature_shape": [16, 4, 4]}
    if tid % 9 == 8:
        result |= {"stopped_at": 0.1}
    failure = {"kind": "too_slow", "reason": "<b>it took longer than 9 s</b>"}
    return {
        "tid": tid,
        "owner": f"node{tid % 2}:1:a",
        "book_time": begun.replace(tzinfo=None).isoformat(" "),
        "refresh_time": (begun + timedelta(seconds=8)).replace(tzinfo=None).isoformat(" "),
        "misc": {"tid": tid, "vals": vals, "source": "random" if tid < 20 else "tpe"},
        "result": (result if tid % 7 else {"status": "fail", "failure": failure})
        | {"seconds": {"extract": 8.0}},
    }


def append(folder: Path, *tids: int) -> None:
    """Trials end while the search runs."""
    with (folder / "live/trials.jsonl").open("a") as file:
        file.writelines(json.dumps(document(tid)) + "\n" for tid in tids)


def begun(folder: Path, n_trials: int) -> Path:
    """The folder of a search that runs."""
    (folder / "live").mkdir(parents=True)
    append(folder, *range(n_trials))
    return folder


@contextmanager
def served(folder: Path) -> Iterator[Dashboard]:
    """A dashboard that answers."""
    with Dashboard(folder) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """Of a search whose files stay as they are."""
    with served(begun(tmp_path_factory.mktemp("results") / "mine", 10)) as server:
        yield server


@pytest.fixture
def eager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    """Of a search that goes on; it looks at the files whenever it is asked."""
    monkeypatch.setattr(live_payload, "REFRESH_SECONDS", 0.0)
    with served(begun(tmp_path / "mine", 10)) as server:
        yield server


def ask(server: Dashboard, name: str, method: str = "GET", **headers: str) -> Any:
    """The answer to a request below the secret path, its body read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, f"/{server.token}/{name}", headers=names)
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    return answer


def test_payload_includes_new_trials(eager: Dashboard) -> None:
    assert len(json.loads(ask(eager, "payload.json").body)["trials"]) == 10
    append(eager.source.folder, 10, 11)
    assert len(json.loads(ask(eager, "payload.json").body)["trials"]) == 12


def test_unchanged_payload_returns_304(dashboard: Dashboard) -> None:
    first = ask(dashboard, "payload.json")
    again = ask(dashboard, "payload.json", If_None_Match=first.headers["ETag"])
    assert (first.status, again.status, again.body) == (200, 304, b"")


def test_incomplete_last_line_is_ignored(eager: Dashboard) -> None:
    before = ask(eager, "payload.json").body
    with (eager.source.folder / "live/trials.jsonl").open("a") as file:
        file.write('{"tid": 1')
    assert ask(eager, "payload.json").body == before


def test_deleted_experiment_returns_503(tmp_path: Path) -> None:
    with served(begun(tmp_path / "mine", 1)) as server:
        shutil.rmtree(tmp_path / "mine")
        answer = ask(server, "payload.json")
    assert answer.status == 503
    assert "no trials" in answer.body.decode()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_return_405(dashboard: Dashboard, method: str) -> None:
    answer = ask(dashboard, "", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("name", ["live/trials.jsonl", "../mine/live", "live", "report.html"])
def test_other_paths_return_404(dashboard: Dashboard, name: str) -> None:
    assert ask(dashboard, name).status == 404


def test_report_is_served_when_it_exists(eager: Dashboard) -> None:
    (eager.source.folder / "report.html").write_text("<p>all of it</p>")
    assert ask(eager, "report.html").body == b"<p>all of it</p>"


@pytest.mark.parametrize("path", ["/", "/payload.json", "/guess/payload.json"])
def test_wrong_token_returns_404(dashboard: Dashboard, path: str) -> None:
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"http://127.0.0.1:{dashboard.server_port}{path}")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example"])
def test_foreign_host_header_returns_403(dashboard: Dashboard, host: str) -> None:
    assert ask(dashboard, "", Host=host).status == 403


def test_host_header_may_have_another_port(dashboard: Dashboard) -> None:
    assert ask(dashboard, "", Host="localhost:9000").status == 200


def test_headers_forbid_framing_and_referrers(dashboard: Dashboard) -> None:
    headers = ask(dashboard, "", "HEAD").headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_dashboard_listens_on_loopback_only(dashboard: Dashboard) -> None:
    assert dashboard.socket.getsockname()[0] == "127.0.0.1"


def test_dashboards_have_different_tokens_and_ports(tmp_path: Path) -> None:
    with served(tmp_path) as one, served(tmp_path) as other:
        assert one.token != other.token
        assert one.server_port != other.server_port


def test_used_port_is_a_user_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"--port {port}: Address already in use"):
            Dashboard(tmp_path, port)


def test_ctrl_c_exits_with_status_0(tmp_path: Path) -> None:
    process = hpconv("dashboard", "--experiment", begun(tmp_path / "mine", 1))
    assert process.stdout is not None
    first = process.stdout.readline()
    tunnel = [process.stdout.readline() for _ in range(2)][-1]
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(30) == 0
    port = first.rpartition("http://127.0.0.1:")[2].partition("/")[0]
    assert f"ssh -L {port}:127.0.0.1:{port} " in tunnel
