"""A proxy between a client and a real mongod that closes the connection at a chosen message."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import BinaryIO, Literal, cast
from urllib.parse import urlsplit

Moment = Literal["request", "answer"]

OP_MSG = (2013).to_bytes(4, "little")
COMMAND = 16 + 4 + 1 + 4 + 1  # header, flags, kind of section, size and type of the first element
HANDSHAKE = ("hello", "ismaster", "saslStart", "saslContinue", "endSessions")


class CuttingProxy(ThreadingTCPServer):
    """Forwards messages, and closes the connection once.

    Args:
        uri: of the server.
        message: number of the message, counted without handshakes; None for no cut.
        moment: before the request has reached the server, or before its answer has come back.

    Attributes:
        uri: of this proxy.
        commands: names of the commands that clients have sent so far.
    """

    daemon_threads = True

    def __init__(self, uri: str, message: int | None = None, moment: Moment = "request") -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        address = urlsplit(uri).netloc.rpartition("@")[2]
        host, port = address.split(":")
        self.server = (host, int(port))
        self.uri = uri.replace(address, f"127.0.0.1:{self.server_address[1]}")
        self.commands: list[str] = []
        self._message, self._moment = message, moment

    def cuts(self, request: bytes) -> Moment | None:
        """Count a message; returns when to close its connection, if at all."""
        command = request[COMMAND : request.index(b"\0", COMMAND)].decode(errors="replace")
        if command in HANDSHAKE or request[12:16] != OP_MSG:
            return None
        self.commands.append(command)
        return self._moment if len(self.commands) - 1 == self._message else None


class _Client(StreamRequestHandler):
    def handle(self) -> None:
        proxy = cast(CuttingProxy, self.server)
        with socket.create_connection(proxy.server) as mongod, mongod.makefile("rb") as answers:
            while request := _read_message(self.rfile):
                cut = proxy.cuts(request)
                if cut == "request":
                    return
                mongod.sendall(request)
                answer = _read_message(answers)
                if cut == "answer":
                    return
                self.wfile.write(answer)


def _read_message(stream: BinaryIO) -> bytes:
    size = stream.read(4)
    return size + stream.read(int.from_bytes(size, "little") - 4) if size else b""


@contextmanager
def running(proxy: CuttingProxy) -> Iterator[CuttingProxy]:
    """Serve in a thread until the end of the block."""
    with proxy:
        Thread(target=proxy.serve_forever, args=(0.05,)).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
