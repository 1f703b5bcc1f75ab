"""Undelivered results: each is delivered by one worker, also after the death of another."""

import os
from pathlib import Path

import pytest
from bson import ObjectId

from hpconv.worker.messages import Outcome
from hpconv.worker.spool import Spool, Undelivered

KEPT = [
    Undelivered(
        {"_id": ObjectId(), "tid": tid, "book_time": None},
        "worker",
        Outcome({"status": "ok", "loss": 0.5}, {"scores": bytes([tid])}),
    )
    for tid in range(2)
]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Two results in files."""
    spool = Spool(tmp_path, "digits")
    for undelivered in KEPT:
        spool.keep(undelivered)
    return spool


def delivered(spool: Spool) -> list[Undelivered]:
    found: list[Undelivered] = []
    spool.deliver(found.append)
    return found


def test_results_are_delivered_once(spool: Spool) -> None:
    assert delivered(spool) == KEPT
    assert delivered(spool) == []


def test_results_stay_while_they_cannot_be_delivered(spool: Spool) -> None:
    def fail(undelivered: Undelivered) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        spool.deliver(fail)
    assert delivered(spool) == KEPT


def test_results_are_left_to_the_worker_that_delivers_them(spool: Spool) -> None:
    spool.deliver(lambda first: pytest.fail("two workers") if first in delivered(spool) else None)
    assert delivered(spool) == []


def test_result_of_a_killed_deliverer_is_delivered_by_the_next(spool: Spool) -> None:
    deliverer = os.fork()
    if not deliverer:
        spool.deliver(lambda undelivered: os.kill(os.getpid(), 9))
    os.waitpid(deliverer, 0)
    assert delivered(spool) == KEPT


@pytest.mark.parametrize("kept_bytes", [0, 20, 40, -1])
def test_damaged_file_is_put_aside(
    spool: Spool, tmp_path: Path, kept_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = tmp_path / "undelivered-digits-0.bson"
    content = damaged.read_bytes()[:kept_bytes]
    damaged.write_bytes(content)
    assert delivered(spool) == KEPT[1:]
    aside = damaged.with_suffix(".damaged")
    assert aside.read_bytes() == content
    assert f"{aside} is damaged: its trial is evaluated again" in caplog.text
    assert delivered(spool) == []
