"""A real mongod: locked, on loopback only, and gone with its run."""

import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from hpconv import database, mongod
from hpconv.errors import UserError
from hpconv.files import read_json
from tests.conftest import start_server


def address(uri: str) -> str:
    return uri.rpartition("@")[2]


def test_nobody_gets_in_without_the_password(server: Path) -> None:
    uri = database.await_server(server)
    client: MongoClient = MongoClient(f"mongodb://{address(uri)}")
    with pytest.raises(OperationFailure, match="requires authentication"):
        client.hpconv.jobs.find_one()


def test_the_password_is_for_the_owner_only(server: Path) -> None:
    assert stat.S_IMODE(server.stat().st_mode) == 0o600
    password = read_json(server)["uri"].split(":")[2].partition("@")[0]
    assert len(password) >= 24
    assert password not in (server.parent / "mongod.log").read_text()
    for process in psutil.process_iter(["cmdline"]):
        assert password not in " ".join(process.info["cmdline"] or [])


def test_it_listens_on_loopback_only(server: Path) -> None:
    port = int(address(database.await_server(server)).partition(":")[2].partition("/")[0])
    listening = [c for c in psutil.net_connections("inet") if c.laddr.port == port]
    assert {c.laddr.ip for c in listening if c.status == "LISTEN"} == {"127.0.0.1"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_a_new_start_keeps_the_data(
    tmp_path: Path, number: signal.Signals
) -> None:
    connection = tmp_path / "connection.json"
    for start in range(2):
        process = start_server(tmp_path)
        client: MongoClient = MongoClient(database.await_server(connection))
        assert client.hpconv.marks.count_documents({}) == start
        client.hpconv.marks.insert_one({})
        process.send_signal(number)
        assert process.wait(30) == 0
        assert not connection.exists()
    assert not mongods(tmp_path)


def test_killing_the_supervisor_takes_the_server_along(tmp_path: Path) -> None:
    process = start_server(tmp_path)
    database.await_server(tmp_path / "connection.json")
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while mongods(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not mongods(tmp_path)


def test_a_server_whose_run_is_gone_stops(tmp_path: Path) -> None:
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from tests.conftest import start_server; from hpconv import database;"
        "folder = Path(sys.argv[2]); start_server(folder);"
        "database.await_server(folder / 'connection.json')"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, root, tmp_path], check=True)
    deadline = time.monotonic() + 20
    while mongods(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not mongods(tmp_path)
    assert not (tmp_path / "connection.json").exists()


def test_two_servers_do_not_share_a_folder(server: Path, tmp_path: Path) -> None:
    (tmp_path / "db").symlink_to(server.parent / "db")
    process = start_server(tmp_path)
    _, message = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "another mongod uses this database folder" in message
    with pytest.raises(UserError, match="another mongod"):
        database.await_server(tmp_path / "connection.json")


def test_a_server_that_is_not_there_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no mongod found at /nowhere"):
        mongod.find_mongod("/nowhere")


def test_a_missing_library_is_named_with_its_package(tmp_path: Path) -> None:
    broken = tmp_path / "mongod"
    text = "error while loading shared libraries: libssl.so.3: cannot open shared object file"
    broken.write_text(f"#!/bin/sh\necho 'mongod: {text}' >&2\nexit 127\n")
    broken.chmod(0o755)
    with pytest.raises(UserError, match="install the package libssl3"):
        mongod.find_mongod(str(broken))


def test_a_machine_without_libcurl_uses_the_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picky = tmp_path / "mongod"
    picky.write_text(
        "#!/bin/sh\n"
        "for folder in $(echo $LD_LIBRARY_PATH | tr : ' '); do\n"
        "  test -e $folder/libcurl.so.4 && echo db version v0 && exit 0\n"
        "done\n"
        "echo 'libcurl.so.4: cannot open shared object file' >&2; exit 127\n"
    )
    picky.chmod(0o755)
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    found, environment = mongod.find_mongod(str(picky))
    assert found == str(picky)
    assert "pycurl.libs" in environment["LD_LIBRARY_PATH"]


def test_an_external_server_is_used_as_it_is(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = database.await_server(server)
    monkeypatch.setenv(mongod.URI_VARIABLE, uri)
    connection = tmp_path / "connection.json"
    command = [sys.executable, "-c", "from hpconv.cli import main; main()", "mongod"]
    command += ["--dbpath", str(tmp_path / "db"), "--connection", str(connection)]
    process = subprocess.Popen([*command, "--log", str(tmp_path / "log")])
    assert database.await_server(connection) == uri
    process.terminate()
    assert process.wait(30) == 0
    assert not (tmp_path / "db").exists()


def mongods(folder: Path) -> list[int]:
    """Servers that run on a folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if f"--dbpath={folder / 'db'}" in (process.info["cmdline"] or [])
    ]
