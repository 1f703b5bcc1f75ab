"""A backup is read back whole, or is none; the server works on whatever happens to it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymongo import MongoClient

from hpconv.errors import UserError
from hpconv.mongodb import backup, connection_file
from hpconv.mongodb.client import client_of
from tests.conftest import hpconv, start_server


def locked(uri: str) -> bool:
    with client_of(uri, 2) as client:
        return bool(client.admin.command("currentOp").get("fsyncLock"))


@contextmanager
def holes(path: Path) -> Iterator[None]:
    """A file that takes long to copy."""
    with path.open("w") as file:
        file.truncate(10**12)
    try:
        yield
    finally:
        path.unlink()


def test_restore_returns_every_document(server: Path, tmp_path: Path) -> None:
    source: MongoClient = MongoClient(connection_file.await_server(server))
    source.hpconv.kept.insert_many([{"_id": n, "data": os.urandom(100)} for n in range(5000)])
    made = hpconv("mongod", "backup", "--connection", server, "--output", tmp_path / "copy")
    assert made.wait(180) == 0
    assert not locked(connection_file.await_server(server))
    back = hpconv("mongod", "restore", "--backup", tmp_path / "copy", "--dbpath", tmp_path / "db")
    assert back.wait(180) == 0
    process = start_server(tmp_path)
    copy: MongoClient = MongoClient(connection_file.await_server(tmp_path / "connection.json"))
    assert list(copy.hpconv.kept.find()) == list(source.hpconv.kept.find())
    process.terminate()
    assert process.wait(180) == 0


def test_backup_excludes_files_of_the_running_server(server: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    backup.backup(server, tmp_path / "copy")
    assert signal.getsignal(signal.SIGTERM) is before  # it is the command line that ends on it
    assert not {"mongod.lock", "diagnostic.data"} & {p.name for p in (tmp_path / "copy").iterdir()}
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0


def test_interrupted_backup_leaves_no_files_and_no_lock(server: Path, tmp_path: Path) -> None:
    uri = connection_file.await_server(server)
    with holes(server.parent / "db" / "zz"):
        process = hpconv("mongod", "backup", "--connection", server, "--output", tmp_path / "copy")
        while not locked(uri):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 128 + signal.SIGTERM
    assert not locked(uri)
    assert list(tmp_path.iterdir()) == []


def test_failed_backup_leaves_no_files_and_no_lock(server: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not be written"):
        backup.backup(server, Path("/proc/copy"))
    assert not locked(connection_file.await_server(server))


def test_backup_overwrites_nothing(server: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(UserError, match="choose another --output"):
        backup.backup(server, tmp_path)
    backup.backup(server, tmp_path / "copy")
    with pytest.raises(UserError, match="move the folder away"):
        backup.restore(tmp_path / "copy", tmp_path)
    with pytest.raises(UserError, match="move the folder away"):
        backup.restore(tmp_path / "copy", server.parent / "db")


def test_restore_refuses_a_folder_that_is_not_a_backup(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UserError, match="is not a backup"):
            backup.restore(folder, tmp_path / "db")


def test_a_server_whose_folder_is_elsewhere_is_refused(server: Path, tmp_path: Path) -> None:
    lock = server.parent / "db" / backup.LOCK_FILE
    content = lock.read_text()
    lock.write_text("1\n")  # as of another server on another host's disk
    try:
        with pytest.raises(UserError, match="make the backup on the server's host"):
            backup.backup(server, tmp_path / "copy")
    finally:
        lock.write_text(content)


def test_no_backup_without_a_server(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no server runs"):
        backup.backup(tmp_path / "connection.json", tmp_path / "copy")
