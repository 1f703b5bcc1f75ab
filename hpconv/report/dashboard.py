"""A search in the browser while it runs: the report's page, served to this machine only.

Everybody with a login on a machine shares its loopback: a path that nobody can guess keeps others
out, as it does pages of other sites, which could reach loopback through a name of their own
("DNS rebinding") but for the check of the host. Nothing can be changed through it.
"""

import gzip
import secrets
import sys
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hpconv.errors import UserError
from hpconv.mongodb.network import LOOPBACK
from hpconv.report import page, provenance
from hpconv.report.live_payload import Source

PORT, N_PORTS = 8765, 50
HOSTS = (LOOPBACK, "localhost")
HTML = "text/html; charset=utf-8"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page itself says the rest
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Dashboard(ThreadingHTTPServer):
    """Answers at ``url``, on loopback.

    Args:
        port: to listen on; None for the first free one from 8765 on.

    Raises:
        UserError: when the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.source = Source(folder)
        self.token = secrets.token_urlsafe(16)
        for candidate in range(PORT, PORT + N_PORTS) if port is None else (port,):
            try:
                super().__init__((LOOPBACK, candidate), Handler)
                break
            except OSError as error:
                reason = error.strerror
        else:
            taken = f"{PORT} to {PORT + N_PORTS - 1}" if port is None else str(port)
            raise UserError(f"--port {taken}: {reason}; write --port with a number that is free")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of the page, its payload and the report."""

    server: Dashboard
    server_version, sys_version = "hpconv", ""
    timeout = 30  # seconds for a request that has begun

    def do_GET(self) -> None:
        """Answer, or refuse."""
        host = self.headers.get("Host", "").partition(":")[0].lower()
        folder, _, name = self.path.removeprefix("/").partition("/")
        if host not in HOSTS:
            self._say(HTTPStatus.FORBIDDEN, f"this is no page of {host}: open {LOOPBACK}")
            return
        try:
            known = secrets.compare_digest(folder.encode(), self.server.token.encode())
            found = self._find(name) if known else None
        except (UserError, OSError) as error:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        if found is None:
            self._say(HTTPStatus.NOT_FOUND, "not found")
        else:
            self._send(*found)

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self._say(HTTPStatus.METHOD_NOT_ALLOWED, "this dashboard can only be looked at")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse

    def _find(self, name: str) -> tuple[str, bytes] | None:
        """Type and content of what there is to see, None for anything else."""
        source = self.server.source
        report = source.folder / "report.html"
        if name == "":
            facts = provenance.collect(source.folder)
            return HTML, page.render(source.payload(), [], facts, live="payload.json").encode()
        if name == "payload.json":
            return "application/json", page.as_json(source.payload()).encode()
        if name == "report.html" and report.exists():
            return HTML, report.read_bytes()
        return None

    def _send(self, kind: str, body: bytes) -> None:
        headers = {"Content-Type": kind, "ETag": f'"{sha256(body).hexdigest()[:32]}"'}
        if self.headers.get("If-None-Match") == headers["ETag"]:
            self._write(HTTPStatus.NOT_MODIFIED, headers, b"")
            return
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=1)
        self._write(HTTPStatus.OK, headers, body)

    def _say(self, code: HTTPStatus, text: str) -> None:
        self._write(code, {"Content-Type": "text/plain; charset=utf-8"}, f"{text}\n".encode())

    def _write(self, code: HTTPStatus, headers: dict[str, str], body: bytes) -> None:
        self.send_response(code)
        for name, value in (HEADERS | headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        if code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request: there is one every few seconds."""
