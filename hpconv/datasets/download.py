"""Downloads that resume where an earlier attempt or an earlier run stopped."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from hpconv.errors import UserError

ATTEMPTS, PAUSE_SECONDS, TIMEOUT_SECONDS = 4, 2.0, 15.0


@contextmanager
def downloaded(url: str, path: Path) -> Iterator[Path]:
    """Download a file to a temporary path beside path.

    It is moved to path when the block ends, and deleted when the block raises UserError.

    Raises:
        OSError, HTTPException: when the download fails; what was received is kept for the next.
    """
    part = path.with_name(f"{path.name}.part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(url, part)
            break
        except (OSError, HTTPException) as error:
            refused = isinstance(error, HTTPError) and error.code < 500
            if refused or attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS)
    try:
        yield part
    except UserError:
        part.unlink()
        raise
    part.replace(path)


def _receive(url: str, part: Path) -> None:
    """Append the missing bytes to part; a server without range support sends the whole file."""
    done = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urlopen(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # nothing is missing
            return
        raise
    with response:
        start = done if response.status == HTTPStatus.PARTIAL_CONTENT else 0
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab" if start else "wb") as file:
            shutil.copyfileobj(response, file)
            received = file.tell() - start
        if received < int(response.headers.get("Content-Length", received)):
            raise ConnectionError(f"the download of {url} was interrupted")
