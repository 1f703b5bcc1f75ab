"""Files from the web, which go on where an earlier attempt, or an earlier run, broke off."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from hpconv.errors import UserError

ATTEMPTS, PAUSE_SECONDS, TIMEOUT_SECONDS = 4, 2.0, 15.0
NOTHING_MORE = 416  # HTTP's answer to a range that begins where the file ends


@contextmanager
def downloaded(url: str, path: Path) -> Iterator[Path]:
    """All of a file, beside path; moved to path when the block ends, removed if it refuses it.

    Raises:
        OSError, HTTPException: when it cannot be had; the part of it that came is kept.
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
    """Add to part what it lacks of a file; a server that knows no ranges sends all of it."""
    done = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urlopen(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == NOTHING_MORE:
            return
        raise
    with response:
        start = done if response.status == 206 else 0
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab" if start else "wb") as file:
            shutil.copyfileobj(response, file)
            received = file.tell() - start
        if received < int(response.headers.get("Content-Length", received)):
            raise ConnectionError(f"{url} broke off")
