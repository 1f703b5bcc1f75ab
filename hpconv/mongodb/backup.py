"""Copies of a database: of a running server, and back into a folder to start one on."""

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

LOCK_FILE = "mongod.lock"  # holds the process number of the server that uses the folder
LEFT_OUT = (LOCK_FILE, "diagnostic.data")
MARK = "WiredTiger"  # a file that every database folder has

log = logging.getLogger(__name__)


def backup(connection: Path, output: Path) -> None:
    """Copy the database of a running server; writes to it wait until that is done.

    Raises:
        UserError: when no server answers, its folder cannot be seen from here, or output
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
            raise UserError(f"the server at {address(uri)} allows no backup: {error}") from error
    log.info("%s holds a backup of the server at %s", output, address(uri))


def restore(backup: Path, dbpath: Path) -> None:
    """Copy a backup into a folder on which a server may then be started.

    Raises:
        UserError: when backup is none, or dbpath is in use or cannot be written.
    """
    if not (backup / MARK).exists():
        raise UserError(f"{backup} is no backup: name a folder that 'hpconv mongod backup' wrote")
    _check_empty(dbpath, "stop its server and move the folder away, or choose another --dbpath")
    _copy(backup, dbpath)
    log.info("%s is restored: 'hpconv mongod start --dbpath %s ...'", dbpath, dbpath)


def _check_empty(folder: Path, advice: str) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} is there and not an empty folder: {advice}")


def _folder(client: Client, uri: str) -> Path:
    """The server's folder, if it is the one that has this name here."""
    options = client.admin.command("getCmdLineOpts")["parsed"]
    folder = Path(options["storage"]["dbPath"])
    process = str(client.admin.command("serverStatus")["pid"])
    with contextlib.suppress(OSError):
        if (folder / LOCK_FILE).read_text().strip() == process:
            return folder
    raise UserError(
        f"{folder}, the folder of the server at {address(uri)}, cannot be read here: "
        "make the backup on the server's host, as the server's user"
    )


@contextmanager
def _locked(client: Client) -> Iterator[None]:
    try:
        client.admin.command("fsync", lock=True)
        yield
    finally:  # also when a signal came while the server was locking
        try:
            client.admin.command("fsyncUnlock")
        except OperationFailure as error:
            log.error("the server was not unlocked: %s", error)


def _copy(source: Path, target: Path) -> None:
    """Copy a database folder; what is interrupted never has the target's name."""
    target = target.absolute()
    unfinished = private_name(target)
    try:
        unfinished.mkdir(parents=True, mode=0o700)
        for file in sorted(source.rglob("*")):
            name = file.relative_to(source)
            if file.is_file() and name.parts[0] not in LEFT_OUT:
                _copy_file(file, unfinished / name)
        unfinished.replace(target)
    except OSError as error:
        raise UserError(f"{target} was not written: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as original, target.open("wb") as copy:
        shutil.copyfileobj(original, copy)
        copy.flush()
        os.fsync(copy.fileno())
