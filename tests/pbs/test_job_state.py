"""A job's own record decides, then the scheduler; never that nothing is said of it."""

from pathlib import Path

import pytest

from hpconv.pbs.dialects import DIALECTS, JobStatus
from hpconv.pbs.job_state import ACTIVE, FAILED, LOST, SUCCESS, JobTracker, Record, read_record

RUNNING, OVER = JobStatus("running"), JobStatus("over", 0)


@pytest.fixture
def judge() -> JobTracker:
    return JobTracker(DIALECTS["openpbs"], minutes=60, patience=0)


def ended(status: int | None, seconds: float = 10) -> Record:
    return Record(status, "n1", 1000.0, 1000.0 + seconds, signalled=status is None)


@pytest.mark.parametrize("row", [None, JobStatus("waiting"), RUNNING, OVER, JobStatus("over", 1)])
def test_the_jobs_own_record_decides(judge: JobTracker, row: JobStatus | None) -> None:
    assert judge.state(ended(0), row, unknown=True).kind == SUCCESS


def test_saying_nothing_never_fails_a_job(judge: JobTracker) -> None:
    for row in (None, JobStatus("waiting"), RUNNING, None, None):
        assert judge.state(None, row, unknown=False).kind == ACTIVE


def test_a_record_may_come_later_than_the_schedulers_word() -> None:
    judge = JobTracker(DIALECTS["openpbs"], minutes=60, patience=60)
    assert judge.state(None, OVER, unknown=False).kind == ACTIVE
    assert judge.state(None, None, unknown=True).kind == ACTIVE
    assert judge.state(ended(0), None, unknown=True).kind == SUCCESS


@pytest.mark.parametrize(
    ("record", "row", "reason"),
    [
        (ended(3), RUNNING, "exited with status 3 on n1"),
        (ended(143), JobStatus("over", 271), "ended by a signal on n1: deleted with qdel"),
        (ended(None), JobStatus("over"), "ended by a signal on n1"),
        (ended(143, 3595), JobStatus("over", -29), "walltime of 60 minutes was exceeded on n1"),
        (ended(None, 3595), JobStatus("over"), "walltime of 60 minutes was exceeded on n1"),
        (None, JobStatus("over", -29), "walltime of 60 minutes was exceeded"),
        (None, JobStatus("over", 271), "deleted with qdel"),
        (
            None,
            JobStatus("over", -3, "no such user"),
            "could not run it (Exit_status -3): no such user",
        ),
        (None, JobStatus("over", 9), "exited with status 9 and wrote no status record"),
        (None, OVER, "is the working directory on a file system that the nodes share?"),
        (None, JobStatus("over"), "ended without a status record: it was deleted before it ran"),
        (None, None, "ended without a status record: it was deleted before it ran"),
        (None, JobStatus("waiting", None, "Can Never Run: Insufficient ncpus"), "will never run"),
        (
            None,
            JobStatus("waiting", None, "job held, too many failed attempts to run"),
            "never run",
        ),
    ],
)
def test_failure_reasons_are_distinguished(
    judge: JobTracker,
    record: Record | None,
    row: JobStatus | None,
    reason: str,
) -> None:
    kind, why = judge.state(record, row, unknown=row is None)
    assert kind == FAILED
    assert reason in why


@pytest.mark.parametrize("row", [None, JobStatus("over")])
@pytest.mark.parametrize("record", [None, Record(None, "n1", 1000.0, 1000.0)])
def test_a_job_that_ran_and_is_gone_was_lost(
    judge: JobTracker, record: Record | None, row: JobStatus | None
) -> None:
    assert judge.state(record, RUNNING, unknown=False).kind == ACTIVE
    kind, why = judge.state(record, row, unknown=row is None)
    assert kind == LOST
    assert "its node was lost" in why


def test_records_are_read_when_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "job.record"
    assert read_record(path) is None
    path.write_text("")
    assert read_record(path) is None
    path.write_text("3 n1 1000 1010\n")
    assert read_record(path) == Record(3, "n1", 1000.0, 1010.0)
    path.write_text("signal n1 1000 1010\n")
    assert read_record(path) == Record(None, "n1", 1000.0, 1010.0, signalled=True)
    path.write_text("running n1 1000 1000\n")
    assert read_record(path) == Record(None, "n1", 1000.0, 1000.0)
