"""Backups: copying the database of a running server, and restoring a copy."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymongo.errors import OperationFailure

from hpconv.errors import UserError
from hpconv.files import private_name
from hpconv.mongodb.admin import require_server
from hpconv.mongodb.client import ANSWER_SECONDS, Client, address, client_of

LOCK_FILE = "mongod.lock"  # contains the pid of the server that uses the folder
EXCLUDED = (LOCK_FILE, "diagnostic.data")
MARKER = "WiredTiger"  # a file in every database folder

log = logging.getLogger(__name__)


def backup(connection: Path, output: Path) -> None:
    """Copy the database of a running server; writes to the server block meanwhile.

    Raises:
        UserError: if no server answers, its folder cannot be read on this host, or output
            cannot be written.
    """
    _check_empty(output, "choose another --output")
    uri = require_server(connection)
    with client_of(uri, ANSWER_SECONDS) as client:
        try:
            dbpath = _folder(client, uri)
            with _locked(client):
                _copy(dbpath, output)
        except OperationFailure as error:
            raise UserError(
                f"the server at {address(uri)} does not allow a backup: {error}"
            ) from error
    log.info("%s contains a backup of the server at %s", output, address(uri))


def restore(backup: Path, dbpath: Path) -> None:
    """Copy a backup to a database folder, on which a server can then be started.

    Raises:
        UserError: if backup is not a backup, or dbpath is not empty or cannot be written.
    """
    if not (backup / MARKER).exists():
        raise UserError(
            f"{backup} is not a backup: give a folder written by 'hpconv mongod backup'"
        )
    _check_empty(dbpath, "stop its server and move the folder away, or choose another --dbpath")
    _copy(backup, dbpath)
    log.info(
        "%s is restored: start a server with 'hpconv mongod start --dbpath %s ...'", dbpath, dbpath
    )


def _check_empty(folder: Path, advice: str) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not an empty folder: {advice}")


def _folder(client: Client, uri: str) -> Path:
    """The server's database folder, if this host sees it under the same path."""
    options = client.admin.command("getCmdLineOpts")["parsed"]
    folder = Path(options["storage"]["dbPath"])
    process = str(client.admin.command("serverStatus")["pid"])
    with contextlib.suppress(OSError):
        if (folder / LOCK_FILE).read_text().strip() == process:
            return folder
    raise UserError(
        f"{folder}, the folder of the server at {address(uri)}, cannot be read on this host: "
        "make the backup on the server's host, as the server's user"
    )


@contextmanager
def _locked(client: Client) -> Iterator[None]:
    try:
        client.admin.command("fsync", lock=True)
        yield
    finally:  # also after a signal while the server was being locked
        try:
            client.admin.command("fsyncUnlock")
        except OperationFailure as error:
            log.error("the server could not be unlocked: %s", error)


def _copy(source: Path, target: Path) -> None:
    """Copy a database folder; an interrupted copy never gets the target's name."""
    target = target.absolute()
    unfinished = private_name(target)
    try:
        unfinished.mkdir(parents=True, mode=0o700)
        for file in sorted(source.rglob("*")):
            name = file.relative_to(source)
            if file.is_file() and name.parts[0] not in EXCLUDED:
                _copy_file(file, unfinished / name)
        unfinished.replace(target)
    except OSError as error:
        raise UserError(f"{target} could not be written: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as original, target.open("wb") as copy:
        shutil.copyfileobj(original, copy)
        copy.flush()
        os.fsync(copy.fileno())
