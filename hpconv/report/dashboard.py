"""Dashboard: the report's page of a running search, served on the loopback interface.

Every local user can reach the loopback interface, so the URL contains a random token. The check
of the Host header prevents DNS rebinding, by which pages of other sites could read the dashboard.
All requests are read-only.
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
from hpconv.report import page
from hpconv.report.live_payload import Source

PORT, N_PORTS = 8765, 50
HOSTS = (LOOPBACK, "localhost")
HTML = "text/html; charset=utf-8"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page has further directives
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Dashboard(ThreadingHTTPServer):
    """HTTP server of a dashboard.

    Args:
        folder: of the experiment, ``results/<experiment>``.
        port: to listen on; None for the first free one from 8765 on.

    Attributes:
        source: of the payload.
        token: first part of every path.

    Raises:
        UserError: when the port cannot be used.
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
            raise UserError(f"--port {taken}: {reason}; write the number of a free port")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that close the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The URL of the page."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"


class Handler(BaseHTTPRequestHandler):
    """Handler of GET and HEAD requests for the page, its payload and the report."""

    server: Dashboard
    server_version, sys_version = "hpconv", ""
    timeout = 30  # seconds for a request

    def do_GET(self) -> None:
        """Send the page, its payload, the report, or an error."""
        host = self.headers.get("Host", "").partition(":")[0].lower()
        folder, _, name = self.path.removeprefix("/").partition("/")
        if host not in HOSTS:
            self._send_text(HTTPStatus.FORBIDDEN, f"invalid Host header '{host}': open {LOOPBACK}")
            return
        try:
            known = secrets.compare_digest(folder.encode(), self.server.token.encode())
            found = self._find(name) if known else None
        except (UserError, OSError) as error:
            self._send_text(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
            return
        if found is None:
            self._send_text(HTTPStatus.NOT_FOUND, "not found")
        else:
            self._send(*found)

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self._send_text(HTTPStatus.METHOD_NOT_ALLOWED, "the dashboard is read-only")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse

    def _find(self, name: str) -> tuple[str, bytes] | None:
        """Content type and body; None if there is no such page."""
        source = self.server.source
        report = source.folder / "report.html"
        if name == "":
            payload, facts = source.collect()
            winners = source.winners()
            return HTML, page.render(payload, winners, facts, live="payload.json").encode()
        if name == "payload.json":
            return "application/json", page.as_json(source.collect()[0]).encode()
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

    def _send_text(self, code: HTTPStatus, text: str) -> None:
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
        """Log nothing: there is a request every few seconds."""
