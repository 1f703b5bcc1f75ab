"""Launching a server with a new password, on loopback and at most one other address."""

import logging
import os
import secrets
import tempfile
from urllib.parse import quote

from pymongo.errors import OperationFailure

from hpconv.mongodb.binary import MongodBinary, find_mongod
from hpconv.mongodb.client import Client, client_of
from hpconv.mongodb.network import LOOPBACK, bind_address, free_port
from hpconv.mongodb.open_files import max_connections, raise_limit
from hpconv.mongodb.process import START_SECONDS, Mongod, ServerSettings

USER = "hpconv"
MAX_SOCKET_FOLDER = 80  # bytes; the path of a UNIX socket has at most 107
LOW_MEMORY_OPTIONS = (
    "--wiredTigerCacheSizeGB=0.25",
    "--wiredTigerEngineConfigString=log=(prealloc=false,file_max=16MB)",
)

log = logging.getLogger(__name__)


class Launcher:
    """Starts servers on one database folder.

    Raises:
        UserError: if no mongod is found, or ``settings.bind`` is not an address of this machine.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._address = bind_address(settings.bind)
        self._binary: MongodBinary = find_mongod(settings.binary)
        raise_limit()

    def launch(self) -> Mongod:
        """Start a server with a new password and a free port; enter it to wait for its answer.

        Raises:
            Interrupted, UserError: if the password cannot be set.
        """
        log.info("starting %s", self._binary.path)
        self._settings.dbpath.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._settings.log.parent.mkdir(parents=True, exist_ok=True)
        password, port = self._set_new_password(), free_port()
        uri = f"mongodb://{USER}:{password}@{self._address}:{port}/?authSource=admin"
        listen = ",".join(dict.fromkeys([LOOPBACK, self._address]))
        return self._start(uri, "--auth", f"--bind_ip={listen}", f"--port={port}")

    def _start(self, uri: str, *options: str) -> Mongod:
        # absolute for backups, which ask the server for its folder
        folder = f"--dbpath={self._settings.dbpath.absolute()}"
        output = (f"--logpath={self._settings.log}", "--logappend")
        most = f"--maxConns={max_connections()}"
        # of other users, it would find sockets with the same name in /tmp
        own = "--nounixsocket"
        options = (folder, *output, most, own, *LOW_MEMORY_OPTIONS, *options)
        return Mongod(self._binary, self._settings, uri, options)

    def _set_new_password(self) -> str:
        """Start a server on a socket that only this user can reach, and set the password there."""
        password = secrets.token_urlsafe(24)
        with tempfile.TemporaryDirectory(prefix="hpconv-", dir=_folder_for_socket()) as private:
            socket_path = f"{private}/mongod.sock"
            uri = f"mongodb://{quote(socket_path, safe='')}"
            with (
                self._start(uri, f"--bind_ip={socket_path}"),
                client_of(uri, START_SECONDS) as client,
            ):
                _set_password(client, password)
        return password


def _folder_for_socket() -> str:
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) <= MAX_SOCKET_FOLDER else "/tmp"


def _set_password(client: Client, password: str) -> None:
    try:
        client.admin.command("createUser", USER, pwd=password, roles=["root"])
    except OperationFailure:  # the user exists since an earlier run
        client.admin.command("updateUser", USER, pwd=password)
