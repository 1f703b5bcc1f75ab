"""A real mongod for one experiment: found, started with a password, and never left behind."""

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from hpconv.errors import UserError
from hpconv.files import read_json, replacing
from hpconv.mongod import URI_VARIABLE, Environment, find_mongod
from hpconv.processes import die_with_parent

USER = "hpconv"
START_SECONDS, STOP_SECONDS, AWAIT_SECONDS = 60, 30, 600
HAND_BACK_SECONDS = 1.5  # Ctrl-C reaches the workers too, they give their trials back
EXIT_CODES = {48: "the port is in use", 100: "another mongod uses this database folder"}
SMALL = (
    "--wiredTigerCacheSizeGB=0.25",
    "--wiredTigerEngineConfigString=log=(prealloc=false,file_max=16MB)",
)

Client = MongoClient[dict[str, Any]]

log = logging.getLogger(__name__)


def serve(dbpath: Path, connection: Path, log_path: Path, configured: str | None) -> None:
    """Run a server until SIGTERM or SIGINT, or until the parent process is gone.

    The file connection (mode 0600) tells the others how to reach it; it appears when the
    server answers and goes away with it. If no server can be had, it holds the reason.
    """
    connection.parent.mkdir(parents=True, exist_ok=True)
    connection.unlink(missing_ok=True)  # of a server that was killed
    _exit_on_signals()
    try:
        with _server(dbpath, log_path, configured) as (uri, process):
            _publish(connection, uri=uri)
            _supervise(process, log_path)
    except (UserError, PyMongoError) as error:
        _publish(connection, error=str(error))
        raise
    except SystemExit:
        connection.unlink(missing_ok=True)
        raise


def _exit_on_signals() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def leave(signum: int, frame: object) -> None:
        for number in numbers:  # once is enough: nothing may interrupt the clean-up
            signal.signal(number, signal.SIG_IGN)
        if signum == signal.SIGINT:
            time.sleep(HAND_BACK_SECONDS)
        sys.exit(0)

    for number in numbers:
        signal.signal(number, leave)


@contextmanager
def _server(
    dbpath: Path, log_path: Path, configured: str | None
) -> Iterator[tuple[str, subprocess.Popen | None]]:
    """The address of a server that answers, and its process if it is ours."""
    if uri := os.environ.get(URI_VARIABLE):
        _ping(uri, START_SECONDS)
        yield uri, None
        return
    binary, environment = find_mongod(configured)
    dbpath.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    command = [binary, f"--dbpath={dbpath}", f"--logpath={log_path}", "--logappend", *SMALL]
    password = _new_password(command, environment, log_path)
    port = _free_port()
    address = ["--auth", "--bind_ip=127.0.0.1", f"--port={port}", "--nounixsocket"]
    uri = f"mongodb://{USER}:{password}@127.0.0.1:{port}/?authSource=admin"
    with _process([*command, *address], environment, uri, log_path) as process:
        log.info("mongod answers on 127.0.0.1:%d", port)
        yield uri, process


def _new_password(command: list[str], environment: Environment, log_path: Path) -> str:
    """Give the server's user a new password, over a socket that only we can reach."""
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="hpconv-") as private:
        socket_path = f"{private}/mongod.sock"
        uri = f"mongodb://{quote(socket_path, safe='')}"
        with (
            _process([*command, f"--bind_ip={socket_path}"], environment, uri, log_path),
            _client(uri, START_SECONDS) as client,
        ):
            _set_password(client, password)
    return password


def _set_password(client: Client, password: str) -> None:
    try:
        client.admin.command("createUser", USER, pwd=password, roles=["root"])
    except OperationFailure:  # the user is there from an earlier run
        client.admin.command("updateUser", USER, pwd=password)


@contextmanager
def _process(
    command: list[str], environment: Environment, uri: str, log_path: Path
) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the supervisor, which stops it in order
        preexec_fn=die_with_parent,
    )
    try:
        _await_answer(process, uri, log_path)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(process: subprocess.Popen, uri: str, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        _check_alive(process, log_path)
        with contextlib.suppress(PyMongoError):
            _ping(uri, seconds=0.2)
            return
    raise UserError(f"mongod did not answer within {START_SECONDS} s, see {log_path}")


def _client(uri: str, seconds: float) -> Client:
    return MongoClient(uri, serverSelectionTimeoutMS=int(1000 * seconds))


def _ping(uri: str, seconds: float) -> None:
    with _client(uri, seconds) as client:  # closed: an open one keeps threads that watch servers
        client.admin.command("ping")


def _check_alive(process: subprocess.Popen, log_path: Path) -> None:
    code = process.poll()
    if code is not None:
        reason = EXIT_CODES.get(code, f"exit status {code}")
        raise UserError(f"mongod ended: {reason}; its last words are in {log_path}")


def _supervise(process: subprocess.Popen | None, log_path: Path) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        if process:
            _check_alive(process, log_path)
        time.sleep(0.2)
    log.warning("the workflow is gone, stopping")
    sys.exit(0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _publish(connection: Path, **content: str) -> None:
    with replacing(connection) as unfinished:
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(content))


def await_server(connection: Path) -> str:
    """The server's URI, as soon as it answers.

    Raises:
        UserError: when it failed to start, or does not answer in time.
    """
    deadline = time.monotonic() + AWAIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, PyMongoError):
            content = read_json(connection)
            if "error" in content:
                raise UserError(content["error"])
            _ping(content["uri"], seconds=1)
            return str(content["uri"])
        time.sleep(0.2)
    raise UserError(f"no server has written {connection} within {AWAIT_SECONDS} s: see its log")
