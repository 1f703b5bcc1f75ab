"""A life of trials whose connection is cut once, at each of its messages in turn."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from hyperopt import hp
from hyperopt.base import Domain
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure

from hpconv.mongodb.uri import from_file
from hpconv.storage.store import Store, TrialLost
from tests.unit.storage.cutting_proxy import CuttingProxy, Moment, running

OK = {"status": "ok", "loss": 0.5}
DATABASE = "cut"
OBJECTIVE = Domain(abs, hp.uniform("x", 0, 1))


def live(store: Store) -> None:
    """All that a driver and its workers ask of the server, once."""
    store.search.open("digits", "driver", space="space")
    for _ in range(2):  # a new driver replaces the objective
        store.attachments.put_objective(OBJECTIVE)
    for tid in range(2):
        store.insert({"tid": tid, "misc": {"tid": tid, "vals": {}}, "result": {"status": "new"}})
    first = store.reserve("me")
    assert first is not None
    with suppress(ConnectionFailure):  # as a worker: the next one follows in 2 s
        store.heartbeat("me", first)
    store.finish(first, "me", OK, {"scores": b"123"})
    store.reserve("me")
    store.connection.retry(lambda: store.requeue_owned("me"))
    late = store.reserve("me")
    assert late is not None
    store.requeue_expired(datetime.now() + timedelta(days=1))
    with pytest.raises(TrialLost):
        store.finish(late, "me", OK, {"scores": b"456"})
    second = store.reserve("other")
    assert second is not None
    store.fail(second, "other", "error")
    store.search.heartbeat("driver", 1)
    store.search.close("driver")


def outcome(store: Store) -> list[Any]:
    """All that is stored of an experiment and must not depend on a cut."""
    fields = ("tid", "state", "owner", "attempts", "result", "error")
    trials = [[trial.get(name) for name in fields] for trial in store.finished()]
    attached = [
        (name, store.attachments.read(file))
        for trial in store.finished()
        for name, file in trial.get("_attachments", ())
    ]
    files = store.connection.db.fs.files.count_documents({"exp_key": store.exp_key})
    objective = store.attachments.objective()
    assert objective is not None
    size = len(store.attachments.read(objective))
    search = store.connection.db.searches.find_one({"_id": store.exp_key})
    assert search is not None
    return [trials, attached, files, size, search["seconds"], search["finished"]]


def test_a_connection_cut_at_any_message_changes_nothing(server: Path) -> None:
    uri = from_file(server)()

    def run(message: int | None, moment: Moment) -> tuple[list[Any], list[str]]:
        """One life, with at most one cut; returns its outcome, and the commands sent."""
        with running(CuttingProxy(uri, message, moment)) as proxy:
            store = Store(lambda: proxy.uri, f"{moment} {message}", DATABASE)
            live(store)
            commands = proxy.commands.copy()
            result = outcome(store)
            store.connection.close()
        return result, commands

    run(None, "request")  # creates GridFS's indexes, which the others find
    expected, commands = run(None, "answer")
    cuts = list(product(range(len(commands)), get_args(Moment)))
    with ThreadPoolExecutor(16) as pool:
        results = pool.map(lambda cut: run(*cut)[0], cuts)
    wrong = [
        (number, moment, commands[number], result)
        for (number, moment), result in zip(cuts, results, strict=True)
        if result != expected
    ]
    assert not wrong
    with MongoClient[dict[str, Any]](uri) as client:
        stored = client[DATABASE].fs
        assert set(stored.chunks.distinct("files_id")) == set(stored.files.distinct("_id"))
