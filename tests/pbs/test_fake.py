"""The fake scheduler against what real ones were recorded to print."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import until
from tests.pbs.fake.harness import QSTAT, Fake, Result, parsed

FIXTURES = Path(__file__).parents[1] / "fixtures/pbs"
RECORDED = {
    "openpbs": FIXTURES / "openpbs",
    "torque": FIXTURES / "torque",
    "slurm": FIXTURES / "slurm-wrappers",
}
ENDED = {"F", "C"}
LOST = [("openpbs", "F"), ("torque", "unknown"), ("slurm", "C")]
SAME = {"job_state", "Job_Name", "queue", "Hold_Types", "Rerunable", "Resource_List", "substate"}


def recorded(dialect: str, case: str) -> Result:
    out, err, rc = (RECORDED[dialect] / f"{case}.{end}" for end in ("out", "err", "rc"))
    return int(rc.read_text()), out.read_text(), err.read_text()


def recorded_job(dialect: str, case: str) -> dict[str, Any]:
    return next(iter(parsed(dialect, recorded(dialect, case)[1]).values()))


def qsub_arguments(dialect: str, case: str) -> list[str]:
    """As the recorded job was submitted; the wrappers do not tell, but it was as for Torque."""
    job = recorded_job("torque" if dialect == "slurm" else dialect, case)
    return str(job.get("Submit_arguments", job.get("submit_args"))).split()


def masked(result: Result) -> Result:
    """Without what differs from call to call."""
    return result[0], re.sub(r"\d{2,}", "N", result[1]), result[2]


@pytest.fixture(scope="module", params=RECORDED)
def recording(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Fake, dict[str, str]]]:
    """A cluster on which the recorded jobs were submitted, and their ids."""
    fake = Fake(tmp_path_factory.mktemp("pbs") / request.param, request.param)
    cases = ("ok", "bad", "walltime", "deleted", "held")
    try:
        jobs = {case: fake.submit(*qsub_arguments(request.param, case)) for case in cases}
        jobs["stubborn"] = fake.sized("stubborn.sh")
        yield fake, jobs
    finally:
        fake.stop()


Recording = tuple[Fake, dict[str, str]]


def same(fake: Fake, job: dict[str, Any], case: str) -> None:
    """All fields are there, and those that a client reads have the same values."""
    real = recorded_job(fake.dialect, case)
    fleeting = {"session_id", "comment" if case == "held" else ""}
    assert set(job) - fleeting == set(real) - fleeting
    status = {key for key in real if key.lower() == "exit_status"}
    wanted = SAME | status | {key for key in real if key.startswith("Resource_List")}
    assert {k: job.get(k) for k in wanted} == {k: real.get(k) for k in wanted}


def test_a_running_and_a_deleted_job(recording: Recording) -> None:
    fake, jobs = recording
    same(fake, fake.wait(jobs["deleted"], {"R"}), "running")
    fake.wait(jobs["stubborn"], {"R"})
    assert fake.run("qdel", jobs["deleted"], jobs["stubborn"]) == (0, "", "")
    same(fake, fake.wait(jobs["deleted"], ENDED), "deleted")
    assert fake.state(jobs["stubborn"]) == "R"


@pytest.mark.parametrize("case", ["ok", "bad", "walltime", "held"])
def test_jobs_are_told_of_as_recorded(recording: Recording, case: str) -> None:
    fake, jobs = recording
    job = fake.wait(jobs[case], {recorded_job(fake.dialect, case)["job_state"]})
    same(fake, job, case)


def test_unknown_jobs(recording: Recording) -> None:
    fake, jobs = recording
    fake.wait(jobs["bad"], ENDED)
    options = QSTAT[fake.dialect]
    unknown = recorded(fake.dialect, "unknown")
    assert masked(fake.run("qstat", *options, "99999")) == masked(unknown)
    rc, out, err = fake.run("qstat", *options, jobs["ok"], jobs["bad"], "99999")
    several = recorded(fake.dialect, "several_one_unknown")
    assert (rc, err) == several[::2]
    shown = [jobs["ok"], jobs["bad"]][: len(parsed(fake.dialect, several[1]))]
    assert list(parsed(fake.dialect, out)) == shown
    assert fake.run("qdel", "99999") == recorded(fake.dialect, "qdel_unknown")


def test_qsub(recording: Recording) -> None:
    fake, _ = recording
    assert masked(fake.run("qsub", "ok.sh")) == masked(recorded(fake.dialect, "qsub_ok"))
    queue = recorded(fake.dialect, "qsub_bad_queue")
    assert fake.run("qsub", "-q", "nosuch", "ok.sh") == queue
    walltime = recorded(fake.dialect, "qsub_bad_walltime")
    assert fake.run("qsub", "-l", "walltime=abc", "ok.sh") == walltime


def test_plain_qstat(recording: Recording) -> None:
    fake, jobs = recording
    fake.run("qdel", jobs["deleted"])  # if no other test has
    for case in ("ok", "bad", "deleted"):
        fake.wait(jobs[case], ENDED)
    ours = fake.run("qstat")[1].splitlines()
    real = (RECORDED[fake.dialect] / "plain.out").read_text().splitlines()
    assert ours[:2] == real[:2]
    rows = [{row.split()[1]: (row.split()[3:], len(row)) for row in t[2:]} for t in (ours, real)]
    names = {"smk_held"} | ({"smk_ok", "smk_bad", "smk_del"} & set(rows[1]))
    assert {name: rows[0].get(name) for name in names} == {name: rows[1][name] for name in names}


def test_versions_and_rejected_options(recording: Recording) -> None:
    fake, _ = recording
    rejected: dict[str, list[tuple[str, ...]]] = {
        "openpbs": [],
        "torque": [("-F", "json")],
        "slurm": [("-x",), ("-F", "json")],
    }
    assert {fake.run("qstat", *options)[0] for options in rejected[fake.dialect]} <= {2}
    assert fake.run("qsub", "-k", "oed", "ok.sh")[0] == (0 if fake.dialect == "openpbs" else 2)
    rc, out, err = fake.run("qstat", "--version")
    told = {"openpbs": (0, out, ""), "torque": (0, "", err), "slurm": (2, "", err)}
    assert (rc, out, err) == told[fake.dialect]
    assert re.search("pbs_version = 23.06.06|Version: 6.1.3|Usage:", out + err)


def test_text_form_tells_the_walltime(recording: Recording) -> None:
    fake, jobs = recording
    text = fake.run("qstat", "-f", jobs["held"])[1]
    assert re.search(r"^\s+Resource_List.walltime = 00:01:00$", text, re.MULTILINE)
    assert re.search(rf"^Job Id:\s{jobs['held']}$", text, re.MULTILINE)


def test_jobs_run_in_a_clean_environment(recording: Recording) -> None:
    fake, _ = recording
    script = fake.work / "env.sh"
    script.write_text("#!/bin/sh\nexport LATE=1\npwd\nenv\necho oops >&2\n")
    job = fake.sized("env.sh", "-j", "oe", "-o", "out.txt", "-v", "GIVEN=a b,HOSTED")
    fake.wait(job, ENDED)
    lines = (fake.work / "out.txt").read_text().splitlines()
    assert lines[0] == str(fake.work if fake.dialect == "slurm" else fake.home)
    told = dict(line.partition("=")[::2] for line in lines[1:])
    wanted = {"PBS_JOBID": job, "PBS_ENVIRONMENT": "PBS_BATCH", "PATH": "/usr/bin:/bin"}
    wanted |= {"GIVEN": "a b", "HOME": str(fake.home), "PBS_O_WORKDIR": str(fake.work)}
    assert wanted.items() <= told.items()
    assert told.get("PBS_WALLTIME") == ("60" if fake.dialect == "torque" else None)
    assert "FAKE_PBS" not in told
    assert "oops" in lines


def test_the_server_is_away(recording: Recording) -> None:
    fake, jobs = recording
    fake.faults(down=True)
    qstat = fake.run("qstat", *QSTAT[fake.dialect], jobs["held"])
    assert (qstat[0], fake.run("qdel", jobs["held"])[0]) == (255, 162)
    rc, out, err = fake.run("qsub", "ok.sh")
    assert (rc, bool(out)) == (162, fake.dialect == "slurm")
    assert bool(err) != bool(out)
    fake.faults()
    assert fake.run("qsub", "ok.sh")[0] == 0


def test_submissions_are_refused(recording: Recording) -> None:
    fake, _ = recording
    fake.faults(refuse_submits=2)
    assert [fake.run("qsub", "ok.sh")[0] for _ in range(3)] == [162, 162, 0]
    if fake.dialect == "openpbs":
        fake.faults(max_queued=0)
        assert fake.run("qsub", "ok.sh") == recorded("openpbs", "qsub_limit")
    fake.faults(refuse="Job exceeds queue resource limits")
    rc, out, err = fake.run("qsub", "ok.sh")
    assert (rc, "Job exceeds queue resource limits" in out + err) == (188, True)
    fake.faults()


def test_a_job_that_ignores_sigterm_is_killed(recording: Recording) -> None:
    fake, jobs = recording
    job = fake.wait(jobs["stubborn"], ENDED)
    assert str(job.get("Exit_status", job.get("exit_status", 271))) == "271"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Fake]]:
    """Starts schedulers, and stops them after the test."""
    started: list[Fake] = []

    def fake(dialect: str, *options: str) -> Fake:
        started.append(Fake(tmp_path / f"{dialect}{len(started)}", dialect, *options))
        return started[-1]

    yield fake
    for one in started:
        if one.process.poll() is None:
            one.stop()


Start = Callable[..., Fake]


def test_jobs_wait_for_cpus_and_run_on_nodes(start: Start) -> None:
    fake = start("openpbs", "--cpus", "2", "--nodes", "2")
    jobs = [fake.sized("long.sh", cpus=2) for _ in range(3)]
    hosts = [fake.wait(job, {"R"})["exec_host"] for job in jobs[:2]]
    assert hosts == ["n1/0*2", "n2/0*2"]
    assert fake.state(jobs[2]) == "Q"
    fake.run("qdel", jobs[2], jobs[0])
    never_ran = fake.wait(jobs[2], {"F"})
    assert "Exit_status" not in never_ran
    big = fake.sized("ok.sh", cpus=3)
    until(lambda: "Can Never Run" in fake.fields(big).get("comment", ""))


def test_too_much_is_refused_by_the_others(start: Start) -> None:
    refused = {}
    for dialect in ("torque", "slurm"):
        fake = start(dialect, "--cpus", "2")
        refused[dialect] = fake.run("qsub", "-l", "nodes=1:ppn=3", "ok.sh")[0]
    assert refused == {"torque": 190, "slurm": 1}


def test_walltime_ends_all_processes(start: Start) -> None:
    fake = start("torque")
    script = fake.work / "pids.sh"
    script.write_text("#!/bin/sh\nsleep 100 & echo $!\necho $$\nwait\n")
    job = fake.sized("pids.sh", "-o", "pids", walltime=1)
    assert fake.wait(job, {"C"})["exit_status"] == "-11"
    pids = (fake.work / "pids").read_text().split()
    assert len(pids) == 2
    assert not any(Path("/proc", pid, "cwd").exists() for pid in pids)


def test_finished_jobs_are_forgotten(start: Start) -> None:
    fake = start("torque", "--keep-completed", "0")
    job = fake.sized("ok.sh")
    until(lambda: fake.run("qstat", "-f", job)[0] == 153)
    fake = start("openpbs", "--no-history")
    job = fake.sized("ok.sh")
    until(lambda: fake.run("qstat", "-f", job)[0] == 153)
    rc, out, err = fake.run("qstat", *QSTAT["openpbs"], job)
    assert (rc, parsed("openpbs", out)) == (0, {})
    assert "not configured to maintain job history" in err


def test_history_is_asked_for(start: Start) -> None:
    fake = start("openpbs")
    job = fake.sized("ok.sh")
    fake.wait(job, {"F"})
    rc, out, err = fake.run("qstat", "-f", "-F", "json", job)
    assert (rc, parsed("openpbs", out)) == (35, {})
    assert "Job has finished" in err
    fake.faults(forget=True)
    assert fake.run("qstat", *QSTAT["openpbs"], job)[0] == 153


def test_a_missing_log_folder_holds_the_job(start: Start) -> None:
    fake = start("openpbs")
    job = fake.wait(fake.sized("ok.sh", "-o", "nowhere/out", "-j", "oe", "-k", "oed"), {"H"})
    assert job["Hold_Types"] == "s"
    assert "too many failed attempts" in job["comment"]


def test_the_scheduler_is_stopped(start: Start) -> None:
    fake = start("openpbs")
    job = fake.sized("long.sh")
    session = fake.wait(job, {"R"})["session_id"]
    fake.stop()
    assert not Path("/proc", str(session)).exists()
    rc, out, err = fake.run("qstat", *QSTAT["openpbs"], job)
    assert (rc, parsed("openpbs", out)) == (255, {})
    assert "cannot connect to server" in err


def test_answers_are_broken(start: Start) -> None:
    fake = start("openpbs")
    jobs = [fake.sized("ok.sh", "-h") for _ in range(4)]
    fake.faults(partial=True)
    rc, out, _ = fake.run("qstat", "-x", "-f", *jobs)
    assert (rc, re.findall("^Job Id: (.*)", out, re.MULTILINE)) == (0, jobs[::2])
    fake.faults(garbled=True)
    rc, out, _ = fake.run("qstat", *QSTAT["openpbs"], *jobs)
    with pytest.raises(json.JSONDecodeError):
        json.loads(out)
    calls = (fake.folder / "calls.log").read_text().splitlines()
    assert [line.split()[1] for line in calls] == ["qsub"] * 4 + ["qstat"] * 2
    fake.faults(never_start=True, can_never_run=True)
    job = fake.sized("ok.sh")
    until(lambda: "Can Never Run" in fake.fields(job).get("comment", ""))
    fake.faults()
    fake.wait(job, {"F"})


def test_slurm_reads_which_nodes_a_script_excludes(start: Start) -> None:
    fake = start("slurm", "--nodes", "2")
    (fake.work / "picky.sh").write_text("#!/bin/sh\n#SBATCH --exclude=n1\nsleep 100\n")
    assert fake.wait(fake.sized("picky.sh"), {"R"})["exec_host"] == "n2/1"


@pytest.mark.parametrize(("dialect", "state"), LOST)
def test_a_node_is_lost(start: Start, dialect: str, state: str) -> None:
    fake = start(dialect, "--nodes", "2", "--cpus", "1")
    kept, lost = fake.sized("long.sh"), fake.sized("long.sh", "-r", "n")
    fake.wait(kept, {"R"})
    fake.wait(lost, {"R"})
    fake.faults(lose_node="n2")
    until(lambda: fake.state(lost) == state)
    assert "Exit_status" not in fake.fields(lost)
    fake.faults(lose_node="n1")
    assert fake.wait(kept, {"R"})["exec_host"].startswith("n")
    until(lambda: fake.fields(kept)["exec_host"].startswith("n2"))
