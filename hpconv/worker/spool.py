"""Results that could not be delivered, kept in files for the next worker."""

import contextlib
import fcntl
import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import bson

from hpconv.files import write_atomically
from hpconv.trials import Trial, TrialId
from hpconv.worker.messages import Outcome

CHECKSUM_BYTES = 32

log = logging.getLogger(__name__)


class Undelivered(NamedTuple):
    """A result, and the trial and owner that it is delivered for."""

    trial: Trial | TrialId
    owner: str
    outcome: Outcome


class Spool:
    """The undelivered results of an experiment, as files in a folder."""

    def __init__(self, folder: Path, exp_key: str) -> None:
        self._folder, self._exp_key = folder, exp_key

    def keep(self, undelivered: Undelivered) -> None:
        """Write a result to a file; the next worker in this folder delivers it."""
        tid = undelivered.trial["tid"]
        path = self._folder / f"undelivered-{self._exp_key}-{tid}.bson"
        write_atomically(path, _encode(undelivered), durable=True)
        log.warning("trial %d: the next worker delivers the result, kept in %s", tid, path)

    def deliver(self, finish: Callable[[Undelivered], None]) -> None:
        """Call finish with each result, in one worker only; keep those for which it raises."""
        for path in sorted(self._folder.glob(f"undelivered-{self._exp_key}-*.bson")):
            with _claimed(path) as content:
                if content is None:
                    continue
                if (undelivered := _decode(content)) is not None:
                    finish(undelivered)
                    path.unlink()
                else:
                    damaged = path.rename(path.with_suffix(".damaged"))
                    log.error("%s is damaged: its trial is evaluated again", damaged)


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[bytes | None]:
    """The content of a file, None if another worker delivers it; a claim ends with its process."""
    with contextlib.ExitStack() as opened:
        content = None
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            file = opened.enter_context(path.open("r+b"))
            _lock(file)
            content = file.read() if path.exists() else None
        yield content


def _lock(file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:  # two workers may deliver the same result, the store recognises it
        log.info("%s cannot be locked: %s", file.name, error)


def _encode(undelivered: Undelivered) -> bytes:
    trial, owner, outcome = undelivered
    identity = {key: trial[key] for key in ("_id", "tid", "book_time")}
    content = bson.encode({"trial": identity, "owner": owner, "outcome": list(outcome)})
    return hashlib.sha256(content).digest() + content


def _decode(file: bytes) -> Undelivered | None:
    """The result in a file, None if it is damaged."""
    checksum, content = file[:CHECKSUM_BYTES], file[CHECKSUM_BYTES:]
    if hashlib.sha256(content).digest() != checksum:
        return None
    kept = bson.decode(content)
    return Undelivered(kept["trial"], kept["owner"], Outcome(*kept["outcome"]))
