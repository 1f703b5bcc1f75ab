"""A real mongod: locked, on loopback only, kept alive, and gone with its run."""

import contextlib
import json
import os
import pwd
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import trustme
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from hpconv.errors import UserError
from hpconv.files import read_json, write_atomically
from hpconv.mongodb import admin, binary, connection_file, network, supervisor
from hpconv.mongodb.client import address, answers
from hpconv.mongodb.process import ServerSettings
from hpconv.mongodb.uri import from_file
from tests.conftest import hpconv, mounted, start_server, until


def password(connection: Path) -> str:
    return read_json(connection)["uri"].split(":")[2].partition("@")[0]


def listening(uri: str) -> set[str]:
    """The addresses on which something listens on a server's port."""
    port = int(address(uri).partition(":")[2].partition("/")[0])
    sockets = [c for c in psutil.net_connections("inet") if c.laddr.port == port]
    return {c.laddr.ip for c in sockets if c.status == "LISTEN"}


def write_private(connection: Path, content: str) -> None:
    write_atomically(connection, content, mode=0o600)


@contextlib.contextmanager
def served(folder: Path, *options: str, uri: str | None = None) -> Iterator[Path]:
    """The connection file of a server that runs in a folder."""
    process = start_server(folder, *options, uri=uri)
    try:
        connection_file.await_server(folder / "connection.json")
        yield folder / "connection.json"
    finally:
        process.terminate()
        process.communicate(timeout=180)


def test_access_needs_the_password(server: Path) -> None:
    uri = connection_file.await_server(server)
    client: MongoClient = MongoClient(f"mongodb://{address(uri)}")
    with pytest.raises(OperationFailure, match="requires authentication"):
        client.hpconv.jobs.find_one()


def test_password_is_readable_by_its_owner_only(server: Path) -> None:
    assert stat.S_IMODE(server.stat().st_mode) == 0o600
    secret = password(server)
    assert len(secret) >= 24
    assert secret not in (server.parent / "mongod.log").read_text()
    for process in psutil.process_iter(["cmdline"]):
        assert secret not in " ".join(process.info["cmdline"] or [])


def test_server_listens_on_loopback_only(server: Path) -> None:
    assert listening(connection_file.await_server(server)) == {"127.0.0.1"}


def test_server_creates_no_socket_where_other_users_have_theirs(server: Path) -> None:
    log = (server.parent / "mongod.log").read_text()
    assert "mongod.sock" in log, "the private one, for the password"
    assert "mongodb-27017.sock" not in log


def test_bind_adds_an_address(tmp_path: Path) -> None:
    with served(tmp_path, "--bind", "127.0.0.2") as connection:
        uri = connection_file.await_server(connection)
        assert address(uri).startswith("127.0.0.2:")
        assert listening(uri) == {"127.0.0.1", "127.0.0.2"}


def test_interface_name_gives_its_address() -> None:
    for name, entries in psutil.net_if_addrs().items():
        if addresses := [entry.address for entry in entries if entry.family.name == "AF_INET"]:
            assert network.bind_address(name) in addresses
    assert network.bind_address(None) == "127.0.0.1"


@pytest.mark.parametrize("bind", ["ib9", "192.0.2.1", "0.0.0.0", "localhost", "::1"])
def test_bind_refuses_address_of_another_host(bind: str) -> None:
    with pytest.raises(UserError) as refusal:
        network.bind_address(bind)
    for part in ("'database.bind'", f"'{bind}'", "lo (127.0.0.1)"):
        assert part in str(refusal.value)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_data_survive_a_signal_and_a_restart(tmp_path: Path, number: signal.Signals) -> None:
    connection = tmp_path / "connection.json"
    for start in range(2):
        process = start_server(tmp_path)
        client: MongoClient = MongoClient(connection_file.await_server(connection))
        assert client.hpconv.marks.count_documents({}) == start
        client.hpconv.marks.insert_one({})
        process.send_signal(number)
        assert process.wait(180) == 0
        assert not connection.exists()
    assert not mongods(tmp_path)


def test_connection_file_names_its_writer(server: Path) -> None:
    content = read_json(server)
    assert content.keys() == {"uri", "external", "host", "pid", "started"}
    children = [child.pid for child in psutil.Process(content["pid"]).children()]
    assert mongods(server.parent) == children


def test_server_dies_with_its_supervisor_and_can_be_restarted(
    tmp_path: Path,
) -> None:
    process = start_server(tmp_path)
    before = connection_file.await_server(tmp_path / "connection.json")
    process.kill()
    process.wait()
    until(lambda: not mongods(tmp_path))
    secret = password(tmp_path / "connection.json")
    process = start_server(tmp_path)
    assert connection_file.await_server(tmp_path / "connection.json") != before
    process.terminate()
    _, message = process.communicate(timeout=180)
    assert "its server no longer runs" in message
    assert secret not in message


def test_server_stops_after_the_end_of_its_run(tmp_path: Path) -> None:
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from tests.conftest import start_server; from hpconv.mongodb import connection_file;"
        "folder = Path(sys.argv[2]); start_server(folder);"
        "connection_file.await_server(folder / 'connection.json')"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code, root, tmp_path], check=True)
    assert connection_file.await_server(tmp_path / "connection.json")  # to hand in results
    until(lambda: not mongods(tmp_path))
    until(lambda: not (tmp_path / "connection.json").exists())


def test_killed_server_is_restarted_with_its_data(tmp_path: Path) -> None:
    with served(tmp_path) as connection:
        before = connection_file.await_server(connection)
        MongoClient(before, w="majority", journal=True).hpconv.marks.insert_one({"_id": 1})
        os.kill(mongods(tmp_path)[0], signal.SIGKILL)
        until(lambda: read_json(connection)["uri"] != before)
        after = connection_file.await_server(connection)
        assert not answers(before)
        assert MongoClient(after).hpconv.marks.find_one() == {"_id": 1}


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("kill -9 $$", "mongod was ended by signal 9 (Killed)"),
        ("exit 48", "the port chosen for mongod was taken by another program"),
    ],
)
def test_server_that_keeps_dying_is_given_up(tmp_path: Path, end: str, reason: str) -> None:
    connection, absent = tmp_path / "connection.json", tmp_path / "absent"
    write_private(connection, '{"uri": "mongodb://127.0.0.1:1/"}')  # of an earlier server
    dies = f'test -e {connection} || touch {absent}; test "$1" = --version || {end}; echo v0'
    process = start_server(tmp_path, "--binary", str(executable(tmp_path / "mongod", dies)))
    _, message = process.communicate(timeout=180)
    assert process.returncode == 1
    in_the_end = f"{reason}, also after {supervisor.MAX_RESTARTS} restarts"
    assert in_the_end in message
    assert message.count(f"{reason}\n") == supervisor.MAX_RESTARTS + 1
    assert in_the_end in read_json(connection)["error"]
    assert not absent.exists()  # or workers would take the server as stopped


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    yield from mounted(tmp_path / "disk", "40m")


@pytest.mark.parametrize("log", ["disk/mongod.log", "mongod.log"])
def test_full_disk_is_reported(small_disk: Path, tmp_path: Path, log: str) -> None:
    connection = small_disk / "connection.json"
    process = start_server(small_disk, "--log", str(tmp_path / log))
    uri = connection_file.await_server(connection)
    patience = {"serverSelectionTimeoutMS": 2000}
    with contextlib.suppress(PyMongoError), MongoClient(uri, journal=True, **patience) as client:
        while True:
            client.hpconv.marks.insert_many([{"data": os.urandom(10**6)} for _ in range(4)])
    _, message = process.communicate(timeout=180)
    assert process.returncode == 1
    assert f"the disk of {small_disk / 'db'} is full" in message
    with pytest.raises(UserError, match="is full"):
        connection_file.await_server(connection)


def test_server_that_hangs_on_a_full_disk_is_killed(small_disk: Path) -> None:
    connection = small_disk / "connection.json"
    process = start_server(small_disk)
    connection_file.await_server(connection)
    os.kill(mongods(small_disk)[0], signal.SIGSTOP)
    with contextlib.suppress(OSError):
        (small_disk / "filler").write_bytes(bytes(40 * 2**20))
    _, message = process.communicate(timeout=180)
    assert process.returncode == 1
    assert f"the disk of {small_disk / 'db'} is full" in message


def test_folder_of_another_server_is_refused(server: Path, tmp_path: Path) -> None:
    (tmp_path / "db").symlink_to(server.parent / "db")
    process = start_server(tmp_path)
    _, message = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "Another mongod instance is already running" in message
    with pytest.raises(UserError, match="Another mongod instance"):
        connection_file.await_server(tmp_path / "connection.json")


def test_reason_of_a_server_that_cannot_start_is_that_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "db" / "mongod.lock").mkdir(parents=True)
    process = start_server(tmp_path)
    _, message = process.communicate(timeout=180)
    assert process.returncode == 1
    assert re.search("mongod ended: .*directory.*mongod.lock", message)


def test_long_tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    with served(tmp_path) as connection:
        assert answers(connection_file.await_server(connection))


def test_second_start_is_refused(server: Path) -> None:
    before = server.read_bytes()
    process = start_server(server.parent)
    _, message = process.communicate(timeout=180)
    assert process.returncode == 1
    assert f"a server already runs at {address(read_json(server)['uri'])} " in message
    assert len(message.splitlines()) == 1
    assert server.read_bytes() == before
    assert connection_file.await_server(server)


def test_one_of_two_concurrent_starts_is_refused(tmp_path: Path) -> None:
    starts = [start_server(tmp_path) for _ in range(2)]
    until(lambda: any(start.poll() is not None for start in starts))
    refused, runs = sorted(starts, key=lambda start: start.poll() is None)
    assert refused.returncode == 1
    assert "another 'hpconv mongod start' is starting a server" in refused.communicate()[1]
    assert connection_file.await_server(tmp_path / "connection.json")
    runs.terminate()
    assert runs.wait(180) == 0


@pytest.mark.parametrize("content", ['{"error": "its disk was full"}', "half of a fi"])
def test_stale_connection_file_is_replaced(server: Path, tmp_path: Path, content: str) -> None:
    connection = tmp_path / "connection.json"
    write_private(connection, content)
    process = start_server(tmp_path, uri=connection_file.await_server(server))
    until(lambda: connection_file.published(connection).pid == process.pid)
    process.terminate()
    assert "its server no longer runs" in process.communicate(timeout=180)[1]


def test_connection_file_of_a_running_server_is_kept(server: Path, tmp_path: Path) -> None:
    connection = tmp_path / "connection.json"
    connection.write_bytes(server.read_bytes())
    process = start_server(tmp_path)
    assert "a server already runs at" in process.communicate(timeout=180)[1]
    assert connection.read_bytes() == server.read_bytes()


def test_missing_binary_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no mongod found at /nowhere"):
        binary.find_mongod("/nowhere")


def test_missing_library_is_reported_with_its_package(tmp_path: Path) -> None:
    text = "error while loading shared libraries: libssl.so.3: cannot open shared object file"
    broken = executable(tmp_path / "mongod", f"echo 'mongod: {text}' >&2; exit 127")
    with pytest.raises(UserError, match="install the package libssl3"):
        binary.find_mongod(str(broken))


def test_libcurl_is_taken_from_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picky = executable(
        tmp_path / "mongod",
        "for folder in $(echo $LD_LIBRARY_PATH | tr : ' '); do\n"
        "  test -e $folder/libcurl.so.4 && echo db version v0 && exit 0\n"
        "done\n"
        "echo 'libcurl.so.4: cannot open shared object file' >&2; exit 127",
    )
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    found = binary.find_mongod(str(picky))
    assert found.path == str(picky)
    assert "pycurl.libs" in found.environment["LD_LIBRARY_PATH"]


def test_external_server_is_used_and_not_stopped(server: Path, tmp_path: Path) -> None:
    uri = connection_file.await_server(server)
    process = start_server(tmp_path, uri=uri)
    connection = tmp_path / "connection.json"
    assert connection_file.await_server(connection) == uri
    assert not (tmp_path / "db").exists()
    with pytest.raises(UserError, match="hpconv does not stop it"):
        admin.stop(connection)
    process.terminate()
    assert process.wait(180) == 0
    assert answers(uri)


def test_external_server_with_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("localhost").private_key_and_cert_chain_pem
    certificate.write_to_path(str(tmp_path / "server.pem"))
    (tmp_path / "tls").mkdir()
    mongod = binary.find_mongod()
    port = network.free_port()
    command = [
        mongod.path,
        f"--dbpath={tmp_path / 'tls'}",
        f"--port={port}",
        "--tlsMode=requireTLS",
    ]
    command += [f"--tlsCertificateKeyFile={tmp_path / 'server.pem'}", "--bind_ip=127.0.0.1"]
    uri = f"mongodb://localhost:{port}/?tls=true&tlsCAFile={tmp_path / 'ca.pem'}"
    with subprocess.Popen(command, env=mongod.environment, stdout=subprocess.DEVNULL) as outside:
        try:
            with served(tmp_path, uri=uri) as connection:
                assert connection_file.await_server(connection) == uri
                assert admin.status(connection)["address"] == f"localhost:{port}"
            assert not answers(uri.partition("?")[0])
        finally:
            outside.terminate()


def test_missing_certificate_is_reported(tmp_path: Path) -> None:
    uri = f"mongodb://localhost:9/?tls=true&tlsCAFile={tmp_path / 'ca.pem'}"
    process = start_server(tmp_path, uri=uri)
    assert (
        f"No such file or directory: '{tmp_path / 'ca.pem'}'" in process.communicate(timeout=180)[1]
    )
    assert process.returncode == 1


@pytest.mark.parametrize("uri", ["mongodb://me:sec/ret@host/", "mongodb://me:secret@host:x/"])
def test_invalid_uri_is_refused_without_its_password(tmp_path: Path, uri: str) -> None:
    process = start_server(tmp_path, uri=uri)
    _, message = process.communicate(timeout=180)
    assert process.returncode == 1
    assert f"{binary.URI_VARIABLE} cannot be read" in message
    assert "sec" not in message
    assert "sec" not in (tmp_path / "connection.json").read_text()


def test_stop_waits_for_the_end_of_the_server(tmp_path: Path) -> None:
    process = start_server(tmp_path)
    uri = connection_file.await_server(tmp_path / "connection.json")
    stop = hpconv("mongod", "stop", "--connection", tmp_path / "connection.json")
    assert f"{address(uri)} has stopped" in stop.communicate(timeout=180)[1]
    assert stop.returncode == 0
    assert not mongods(tmp_path)
    assert not (tmp_path / "connection.json").exists()
    assert process.wait(180) == 0


@pytest.mark.parametrize(
    ("verb", "content", "reason"),
    [
        ("stop", {}, "does not exist"),
        ("stop", {"error": "its disk was full"}, "its disk was full"),
        ("status", {"uri": "mongodb://hpconv:secret@127.0.0.1:9/"}, "127.0.0.1:9 does not answer"),
    ],
)
def test_missing_server_is_reported_in_one_line(
    tmp_path: Path, verb: str, content: dict[str, str], reason: str
) -> None:
    connection = tmp_path / "connection.json"
    if content:
        write_private(connection, json.dumps(content))
    process = hpconv("mongod", verb, "--connection", connection)
    output, message = process.communicate(timeout=180)
    assert process.returncode == 1
    assert (output, len(message.splitlines())) == ("", 1)
    assert reason in message
    assert "secret" not in message


def test_status_counts_trials_by_experiment_and_state(server: Path) -> None:
    client: MongoClient = MongoClient(connection_file.await_server(server))
    trials = [{"exp_key": "status", "tid": tid, "state": tid} for tid in range(4)]
    client.hpconv.jobs.insert_many([*trials, {"exp_key": "status", "tid": 4, "state": 2}])
    found = admin.status(server)
    assert found["trials"]["status"] == {"new": 1, "running": 1, "done": 2, "error": 1}
    assert found["connections"] >= 1
    assert found["database_bytes"] > 0


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_status_does_not_show_the_password(server: Path, options: list[str]) -> None:
    process = hpconv("mongod", "status", "--connection", server, *options)
    output, message = process.communicate(timeout=180)
    assert process.returncode == 0
    assert address(read_json(server)["uri"]) in output
    assert password(server) not in output + message
    if options:
        assert json.loads(output)["version"] == admin.status(server)["version"]


def executable(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def mongods(folder: Path) -> list[int]:
    """Servers that run on a folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if f"--dbpath={folder / 'db'}" in (process.info["cmdline"] or [])
    ]


def test_loopback_server_of_another_host_is_refused(tmp_path: Path) -> None:
    connection = tmp_path / "connection.json"
    content = {"uri": "mongodb://me:secret@127.0.0.1:9/", "host": "node7", "external": False}
    write_private(connection, json.dumps(content))
    with pytest.raises(
        UserError, match="accepts connections on its own host node7 only.*'database.bind'"
    ):
        connection_file.await_server(connection)


READERS = {
    "await_server": connection_file.await_server,
    "status": admin.status,
    "worker": lambda connection: from_file(connection)(),
    "start": lambda connection: supervisor.serve(
        ServerSettings(connection.parent / "db", connection.parent / "log"), connection
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_file_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    connection = tmp_path / "connection.json"
    write_private(connection, json.dumps({"uri": "mongodb://node7:9/"}))
    owner = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(supervisor, "exit_on_signals", lambda *signals, status: None)
    with pytest.raises(UserError) as refusal:
        READERS[reader](connection)
    for part in (f"{connection} belongs to {owner}, not to you (nobody)", "--mongo HOST:PORT"):
        assert part in str(refusal.value)
    assert connection.exists()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_file_that_others_may_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, mode: int
) -> None:
    connection = tmp_path / "connection.json"
    write_private(connection, json.dumps({"uri": "mongodb://node7:9/"}))
    connection.chmod(mode)
    monkeypatch.setattr(supervisor, "exit_on_signals", lambda *signals, status: None)
    with pytest.raises(UserError) as refusal:
        READERS[reader](connection)
    for part in (f"{connection} has mode {mode:04o}", "delete the file and start again"):
        assert part in str(refusal.value)


def test_damaged_file_is_refused_by_workers(tmp_path: Path) -> None:
    connection = tmp_path / "connection.json"
    for content in ("half of a fi", "5", "\udcff"):
        write_atomically(connection, content.encode(errors="surrogateescape"), mode=0o600)
        with pytest.raises(UserError, match="is damaged: delete it and start the server again"):
            from_file(connection)()


def test_lock_follows_no_link(tmp_path: Path) -> None:
    (victim := tmp_path / "victim").write_text("kept")
    (tmp_path / "connection.json.lock").symlink_to(victim)
    process = start_server(tmp_path)
    _, message = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "connection.json.lock" in message
    assert victim.read_text() == "kept"
