"""Every recorded answer of a real scheduler is understood."""

from pathlib import Path

import pytest

from hpconv.errors import UserError
from hpconv.pbs.dialects import DIALECTS, Dialect, JobStatus, job_number, named
from hpconv.pbs.usage import Usage

RECORDED = Path(__file__).parents[1] / "fixtures/pbs"
FOLDERS = {"openpbs": "openpbs-text", "torque": "torque", "slurm": "slurm-wrappers"}
UNTOLD = None  # Slurm's wrappers tell neither exit status nor usage


def recorded(dialect: Dialect, case: str) -> str:
    return (RECORDED / FOLDERS[dialect.name] / f"{case}.out").read_text()


@pytest.fixture(params=DIALECTS.values(), ids=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.mark.parametrize(
    ("case", "state", "statuses"),
    [
        ("ok", "over", (0, 0, UNTOLD)),
        ("bad", "over", (3, 3, UNTOLD)),
        ("deleted", "over", (271, 271, UNTOLD)),
        ("running", "running", (None, None, None)),
        ("held", "waiting", (None, None, None)),
    ],
)
def test_a_recorded_job_is_read(
    dialect: Dialect, case: str, state: str, statuses: tuple[int | None, ...]
) -> None:
    (row,) = dialect.parse(recorded(dialect, case)).values()
    expected = dict(zip(FOLDERS, statuses, strict=True))[dialect.name]
    assert (row.state, row.exit_status) == (state, expected)


def test_a_job_whose_walltime_was_up_has_the_status_for_it(dialect: Dialect) -> None:
    (row,) = dialect.parse(recorded(dialect, "walltime")).values()
    assert row.exit_status == dialect.walltime_status


def test_what_a_job_has_used_is_read(dialect: Dialect) -> None:
    (row,) = dialect.parse(recorded(dialect, "walltime")).values()
    used = {"openpbs": Usage(4568 / 1024, 0, 22), "torque": Usage(8168 / 1024, 0, 5)}
    assert row.used == used.get(dialect.name, UNTOLD)


def test_the_comment_of_openpbs_is_read() -> None:
    (row,) = named("openpbs").parse(recorded(named("openpbs"), "walltime")).values()
    assert row.comment.endswith("and exceeded resource walltime")


def test_several_jobs_and_one_unknown(dialect: Dialect) -> None:
    rows = dialect.parse(recorded(dialect, "several_one_unknown"))
    assert len(rows) == 2
    assert all(row.state == "over" for row in rows.values())


def test_an_unknown_job_has_no_row(dialect: Dialect) -> None:
    assert dialect.parse(recorded(dialect, "unknown")) == {}


def test_a_job_of_slurm_in_a_state_that_the_wrappers_do_not_know_is_over() -> None:
    text = recorded(named("slurm"), "ok").replace("job_state = C", "job_state = U")
    (row,) = named("slurm").parse(text).values()
    assert row == JobStatus("over", host="sl-n1")


def test_a_waiting_job_that_was_deleted_is_over() -> None:
    (row,) = named("openpbs").parse(recorded(named("openpbs"), "deleted_waiting")).values()
    assert row == JobStatus("over")


def test_half_an_answer_says_nothing_wrong(dialect: Dialect) -> None:
    whole = recorded(dialect, "several_one_unknown")
    truth = dialect.parse(whole)
    for cut in range(0, len(whole), 7):
        for job, row in dialect.parse(whole[:cut]).items():
            assert row in (truth[job], truth[job]._replace(exit_status=None), JobStatus("running"))


def test_an_id_is_known_by_its_number() -> None:
    assert (
        job_number("109.pbs-head")
        == job_number("109.pbs-head.example.org\n")
        == job_number("109")
        == "109"
    )


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(UserError, match="'sge': write one of openpbs, torque, slurm"):
        named("sge")
