"""A job's own record decides, then the scheduler; never that nothing is said of it."""

from pathlib import Path

import pytest

from hpconv.pbs.dialects import DIALECTS, JobStatus
from hpconv.pbs.job_state import JobTracker, Record, read_record
from hpconv.pbs.verdicts import ACTIVE, DELETED, FAILED, LOST, REFUSED, SUCCESS

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


WALLTIME = "walltime of 60 minutes was exceeded"
QDEL = "ended by a signal"
UNRAN = "ended without a status record: it was deleted before it ran"


@pytest.mark.parametrize(
    ("record", "row", "kind", "reason"),
    [
        (ended(3), RUNNING, FAILED, "exited with status 3 on n1"),
        (ended(143), JobStatus("over", 271), DELETED, f"{QDEL} on n1: deleted with qdel"),
        (ended(None), JobStatus("over"), DELETED, f"{QDEL} on n1"),
        (ended(None), None, DELETED, f"{QDEL} on n1"),  # Torque that keeps no completed jobs
        (ended(143, 3595), JobStatus("over", -29), FAILED, f"{WALLTIME} on n1"),
        (ended(None, 3595), JobStatus("over"), FAILED, f"{WALLTIME} on n1"),
        (None, JobStatus("over", -29), FAILED, WALLTIME),
        (None, JobStatus("over", 271), DELETED, "deleted with qdel"),
        (None, JobStatus("over", -3, "no folder"), LOST, "not start it: Exit_status -3 (no folder"),
        (None, JobStatus("over", -10), REFUSED, "the node refuses this user: Exit_status -10"),
        (None, JobStatus("over", -18), REFUSED, "a hook of the site ended it"),
        (ended(143), JobStatus("over", -27), FAILED, "exceeded its memory on n1: Exit_status -27"),
        (ended(None), JobStatus("over", -20), LOST, "its node failed on n1: Exit_status -20"),
        (None, JobStatus("over", 9), FAILED, "it ended with status 9, and no record of it"),
        (None, OVER, FAILED, "is the working directory on a file system that the nodes share"),
        (None, JobStatus("over"), DELETED, UNRAN),
        (None, None, DELETED, UNRAN),
        (None, JobStatus("waiting", None, "Can Never Run: ncpus"), REFUSED, "will never run"),
        (None, JobStatus("waiting", None, "too many failed attempts"), REFUSED, "nodes share"),
    ],
)
def test_end_of_a_job_tells_whose_fault_it_was(
    judge: JobTracker, record: Record | None, row: JobStatus | None, kind: str, reason: str
) -> None:
    state = judge.state(record, row, unknown=row is None)
    assert state.kind == kind
    assert reason in state.reason


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
