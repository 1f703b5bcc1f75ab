"""Writes a fixture of a release: ``python -m tests.make_history FOLDER``.

FOLDER is ``tests/fixtures/history-`` and the version, which ``test_histories`` then continues.
Its search has ended after six trials, and was then continued and stopped with one in the queue.
"""

import gzip
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import bson

from hpconv import datasets
from hpconv.config import DataSettings
from tests.conftest import until
from tests.faults.harness import Search

ENDED, QUEUED = 6, 1


def make(folder: Path, work: Path) -> None:
    """Run the search in work; write its history and a dump of its database to folder."""
    data = work / "digits.h5"
    datasets.write(DataSettings("digits", seed=0, validation=0.25, test=0.25), data)
    search = Search(work, data, ENDED, rungs=(0.1, 0.3))
    try:
        driver, worker = search.driver(), search.worker("worker")
        assert (driver.wait(), worker.wait()) == (0, 0)
        folder.mkdir(parents=True)
        (folder / "trials.jsonl").write_bytes(search.history.read_bytes())
        search.max_evals = ENDED + QUEUED
        driver = search.driver()
        until(lambda: search.store.count() == ENDED + QUEUED)
        driver.terminate()
        driver.wait()
        db = search.store.connection.db
        rows = [
            {"collection": name, "document": document}
            for name in sorted(db.list_collection_names())
            for document in db[name].find()
        ]
        dump = b"".join(map(bson.encode, rows))
        (folder / "database.bson.gz").write_bytes(gzip.compress(dump, mtime=0))
    finally:
        search.end()


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        make(Path(sys.argv[1]), Path(scratch))
