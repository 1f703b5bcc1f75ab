"""Snakemake on a scheduler that misbehaves: no job is lost, doubled or left behind."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from snakemake.common.tests import TestWorkflowsLocalStorageBase

from hpconv.pbs.settings import ExecutorSettings
from hpconv.trials import read
from tests.conftest import until
from tests.pbs.fake.harness import FAKE, Fake

ROOT = Path(__file__).parents[2]
MINI = str(ROOT / "tests/pbs/mini.smk")
WORKFLOW, HISTORY = str(ROOT / "Snakefile"), "results/demo/trials.jsonl"
TINY = ["--configfile", str(ROOT / "tests/workflow/tiny.yaml")]
HELPERS = str(ROOT / "tests/pbs/helpers.smk")
DIALECTS = ("openpbs", "torque", "slurm")
Start = Callable[..., "Site"]


class Site:
    """A fake scheduler, and a folder in which a workflow runs on it."""

    def __init__(self, folder: Path, dialect: str, *options: str) -> None:
        self.fake = Fake(folder / "pbs", dialect, *options)
        self.folder = folder / "run"
        self.folder.mkdir()
        self._processes: list[subprocess.Popen] = []

    def begin(self, *options: str, snakefile: str = MINI, **config: Any) -> subprocess.Popen:
        command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile]
        command += ["--profile", str(ROOT / "profiles/pbs"), "-j", "30", "--nocolor"]
        command += ["--hpconv-pbs-status-seconds", "1", "--seconds-between-status-checks", "1"]
        command += ["--latency-wait", "3", "--directory", str(self.folder), *options]
        if config:
            command += ["--config", *(f"{key}={value}" for key, value in config.items())]
        path = f"{FAKE}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "FAKE_PBS": str(self.fake.folder)}
        pipe, out = subprocess.PIPE, subprocess.STDOUT
        process = subprocess.Popen(
            ["env", "--default-signal=INT", *command],
            env=environment, stdout=pipe, stderr=out, text=True, start_new_session=True,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def end(self) -> None:
        """Leave nothing behind."""
        for process in self._processes:
            process.kill()
        self.fake.stop()

    def run(self, *options: str, snakefile: str = MINI, **config: Any) -> tuple[int, str]:
        process = self.begin(*options, snakefile=snakefile, **config)
        output = process.communicate(timeout=200)[0]
        return process.returncode, output

    def ran(self) -> list[str]:
        """The lines that jobs have written: their ids, with began and ended."""
        path = self.folder / "ran.txt"
        return path.read_text().splitlines() if path.exists() else []

    def calls(self, command: str) -> list[list[str]]:
        """How a command was called."""
        log = self.fake.folder / "calls.log"
        lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        return [words[2:] for words in lines if words[1] == command]

    def queue(self) -> list[str]:
        """The jobs that wait or run."""
        lines = self.fake.run("qstat")[1].splitlines()[2:]
        return [line for line in lines if line.split()[4] in "QRHE"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts sites, and stops their schedulers."""
    sites: list[Site] = []

    def start_site(dialect: str = "openpbs", *options: str) -> Site:
        sites.append(Site(tmp_path / str(len(sites)), dialect, *options))
        return sites[-1]

    yield start_site
    for site in sites:
        site.end()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_jobs_run_one_call_asks_for_all_and_a_report_tells_what_they_used(
    start: Start, dialect: str
) -> None:
    site = start(dialect, "--cpus", "24")
    more = ("--hpconv-pbs-efficiency-report", "used.csv", "--set-resources", "work:mem_mb=4000")
    body, prefix = "sleep 2; which hpconv", "a/"  # of wildcards
    status, output = site.run(*more, jobs=12, body=body, prefix=prefix)
    assert status == 0, output
    assert len(site.ran()) == 24
    assert len(site.calls("qsub")) == 12
    assert 1 <= len(site.calls("qstat")) < 40
    assert max(len(call) for call in site.calls("qstat")) >= 12
    (left,) = (site.folder / ".snakemake/hpconv-pbs").iterdir()
    assert left.name == "logs"
    if dialect == "slurm":
        assert "used.csv is not written: the scheduler does not report what jobs used" in output
        return
    (row,) = csv.DictReader((site.folder / "used.csv").open())
    assert (row["rule"], row["jobs"], row["memory_requested"]) == ("work", "12", "4000")
    assert 20 < float(row["memory_used"]) < 2000
    assert float(row["minutes_used"]) < float(row["minutes_requested"]) == 5
    assert re.search(r"^work used 0\.\d of 3\.9 GiB: request less", output, re.MULTILINE)


def test_the_whole_workflow_runs_on_a_cluster(start: Start) -> None:
    site = start("openpbs", "--cpus", "16")
    status, output = site.run(*TINY, snakefile=WORKFLOW)
    assert status == 0, output
    results = site.folder / "results/demo"
    assert len(read(results / "trials.jsonl")) == 8
    assert (results / "report.html").exists()
    names = {call[call.index("-N") + 1] for call in site.calls("qsub")}
    assert {"hp-driver-mongo", "hp-worker-1", "hp-worker-2"} <= names
    assert not {"hp-gather", "hp-rank", "hp-evaluate", "hp-report"} & names, "seconds of work"
    assert site.queue() == []


def test_a_search_outlives_the_walltime_of_its_driver(start: Start) -> None:
    site = start("openpbs", "--cpus", "16")
    results = site.folder / "results/demo"
    # the first driver ends a minute before its job would
    short = f"test -e {results}/mongodb/db || export PBS_WALLTIME=76"
    longer = "{max_evals: 100000, max_minutes: 0.5}"  # than the first driver has, on any machine
    options = [HISTORY, *TINY, "--hpconv-pbs-prologue", short]
    status, output = site.run(*options, snakefile=WORKFLOW, search=longer)
    assert status == 0, output
    assert output.count("driver-mongod is resubmitted: its walltime is used up") == 1
    assert "is left out" not in output
    tids = [trial["tid"] for trial in read(results / "trials.jsonl")]
    assert tids == list(range(len(tids)))
    assert json.loads((results / "search.json").read_text())["lost"] == []


def test_a_failure_says_why_and_where(start: Start) -> None:
    site = start()
    status, output = site.run(body="echo the disk is on fire >&2; exit 3")
    assert status == 1
    assert "work-0 failed: it exited with status 1 on" in output
    last = output.splitlines()[-1]
    assert last.startswith("hpconv: work-0 failed: it exited with status 1 on")
    assert "the disk is on fire" in Path(last.split("see ")[1]).read_text()


def test_a_job_that_somebody_deletes_is_told_apart(start: Start) -> None:
    site = start()
    process = site.begin(body="sleep 60")
    until(site.ran)
    assert site.fake.run("qdel", site.ran()[0].split()[0])[0] == 0
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 1
    assert "ended by a signal" in output
    assert "deleted with qdel" in output


@pytest.mark.parametrize("fault", ["down", "garbled", "partial", "forget"])
def test_a_scheduler_that_says_nothing_sensible_fails_no_job(start: Start, fault: str) -> None:
    site = start("openpbs", "--cpus", "24")
    process = site.begin(jobs=4, body="sleep 3")
    until(lambda: len(site.ran()) == 4)
    site.fake.faults(**{fault: True})
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 0, output
    assert len(site.calls("qsub")) == 4


def test_a_submission_refused_in_passing_by_a_slow_scheduler_is_repeated(start: Start) -> None:
    site = start()
    # so slow that Snakemake checks jobs before the executor has found the dialect
    site.fake.faults(refuse_submits=1, slow=2)
    status, output = site.run()
    assert status == 0, output
    assert len(site.calls("qsub")) == 2


def test_a_submission_refused_for_good_is_reported_in_the_schedulers_words(start: Start) -> None:
    site = start()
    site.fake.faults(refuse="qsub: Job violates queue resource limits")
    status, output = site.run()
    assert status == 1
    assert "Job violates queue resource limits. The request was: qsub -N" in output
    assert "select=1:ncpus=1:mem=500mb" in output


def test_a_job_that_can_never_run_is_not_waited_for(start: Start) -> None:
    site = start()
    site.fake.faults(never_start=True, can_never_run=True)
    status, output = site.run()
    assert status == 1
    assert "Can Never Run" in output
    assert site.queue() == []


@pytest.mark.parametrize(
    ("dialect", "means"),
    [
        ("openpbs", "openpbs cannot be told to avoid a node"),
        ("slurm", "further jobs of this run avoid it"),
    ],
)
def test_jobs_whose_node_is_lost_are_submitted_again(
    start: Start, dialect: str, means: str
) -> None:
    site = start(dialect, "--cpus", "8", "--nodes", "2")
    process = site.begin(jobs=2, body="test $(grep -c began ran.txt) -gt 2 || sleep 60")
    until(lambda: len(site.ran()) == 2 and site.calls("qstat"))
    site.fake.faults(lose_node="n1")
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 0, output
    assert output.count("its node was lost") == 2
    assert len(site.calls("qsub")) == 4
    assert output.count(f"2 jobs were lost on node n1: {means}") == 1
    last = max((site.fake.folder / "spool").glob("*.SC"))
    assert ("#SBATCH --exclude=n1\n" in last.read_text()) == (dialect == "slurm")


def test_a_job_may_ask_for_another_one(start: Start) -> None:
    site = start()
    status, output = site.run(body="test $(grep -c began ran.txt) -gt 2 || touch $HPCONV_AGAIN")
    assert status == 0, output
    assert len(site.calls("qsub")) == 3
    assert output.count("its walltime is used up and work remains") == 2


def test_runs_side_by_side_leave_each_others_jobs_alone(start: Start) -> None:
    site = start("openpbs", "--cpus", "4")
    body = "until [ -e go.txt ]; do sleep 0.1; done"
    runs = [site.begin("out/0.txt", jobs=2, body=body)]
    until(lambda: len(site.ran()) == 1)
    runs.append(site.begin("out/1.txt", jobs=2, body=body))
    until(lambda: len(site.ran()) == 2)
    (site.folder / "go.txt").touch()
    for run in runs:
        output = run.communicate(timeout=180)[0]
        assert run.returncode == 0, output
    assert len(site.calls("qsub")) == 2


def test_jobs_that_are_not_needed_leave_the_queue(start: Start) -> None:
    site = start("openpbs", "--cpus", "4")
    process = site.begin(snakefile=HELPERS, helpers=3)  # one runs, two wait
    until(lambda: len(site.calls("qsub")) == 4 and site.ran())
    (site.folder / "go.txt").touch()
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 0, output
    assert len(site.ran()) == 1
    records = [(site.folder / f"helper/{number}.txt").read_text() for number in range(3)]
    assert sorted(records) == ["", "", "helped\n"]
    assert site.queue() == []


def test_helpers_leave_the_queue_when_another_job_has_failed(start: Start) -> None:
    site = start("openpbs", "--cpus", "4")
    body = "until ls .snakemake/hpconv-pbs/$HPCONV_RUN/work.failed; do sleep 0.1; done"
    process = site.begin(snakefile=HELPERS, helpers=3, body=body)  # one runs, two wait
    until(lambda: len(site.calls("qsub")) == 4 and site.ran())
    row = next(line for line in site.queue() if "hp-work " in line)
    until(lambda: site.fake.state(row.split()[0]) == "R")
    assert site.fake.run("qdel", row.split()[0])[0] == 0
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 1, output
    assert len(site.ran()) < 3, "at most one more started in the place of the job that failed"
    assert output.splitlines()[-1].startswith("hpconv: work failed: it was ended by a signal")
    assert site.queue() == []


@pytest.mark.parametrize(
    ("body", "starts", "reason"),
    [("exit 3", 3, "it exited with status"), ("sleep 60", 1, "it was ended by a signal")],
)
def test_work_goes_on_without_a_helper(start: Start, body: str, starts: int, reason: str) -> None:
    site = start("openpbs", "--cpus", "4")
    process = site.begin(snakefile=HELPERS, body=body)
    until(lambda: len(site.ran()) == starts)
    if starts == 1:
        assert site.fake.run("qdel", site.ran()[0].split()[0])[0] == 0
    helper = site.folder / "helper/0.txt"
    until(helper.exists)
    (site.folder / "go.txt").touch()
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 0, output
    assert f"helper-0 is left out: {reason}" in output
    assert len(site.ran()) == starts


@pytest.mark.parametrize("fault", [None, "slow"])
def test_ctrl_c_returns_at_once_and_the_jobs_go(start: Start, fault: str | None) -> None:
    site = start("torque", "--cpus", "4")
    process = site.begin(jobs=6, body="sleep 60")  # four run, two wait
    until(lambda: len(site.calls("qsub")) == 6 and len(site.ran()) == 4)
    if fault:
        site.fake.faults(slow=5)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(5)
    site.fake.faults()
    until(lambda: site.queue() == [])
    assert not any("ended" in line for line in site.ran())


def test_a_restart_after_kill_9_runs_no_job_twice(start: Start) -> None:
    site = start("openpbs", "--cpus", "2")
    process = site.begin(jobs=3, body="sleep 60")  # two run, one waits
    until(lambda: len(site.calls("qsub")) == 3 and len(site.ran()) == 2)
    process.kill()
    process.wait()
    assert site.run("--unlock", jobs=3)[0] == 0
    status, output = site.run(jobs=3, body="sleep 1")
    assert status == 0, output
    assert "Deleting jobs of a killed run that are in the queue" in output
    began = [line.split()[0] for line in site.ran() if "began" in line]
    ended = [line.split()[0] for line in site.ran() if "ended" in line]
    assert len(began) == 5
    assert ended == began[2:] or sorted(ended) == sorted(began[2:])


def test_a_deleted_job_fails_though_the_answer_to_qstat_is_cut_off(start: Start) -> None:
    site = start("openpbs", "--cpus", "1")
    process = site.begin(jobs=2, body="sleep 8")  # one runs, one waits
    until(lambda: len(site.calls("qsub")) == 2 and site.ran())
    site.fake.faults(partial=True)
    assert site.fake.run("qdel", "102")[0] == 0
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 1
    assert "it was deleted before it ran" in output


def test_a_limit_on_queued_jobs_means_waiting(start: Start) -> None:
    site = start("openpbs", "--cpus", "4")
    site.fake.faults(max_queued=1)
    status, output = site.run(jobs=2)
    assert status == 0, output
    assert output.count("waits for qsub") == 1
    assert "would exceed complex's per-user limit" in output


def test_a_site_that_refuses_select_has_its_own_request(start: Start) -> None:
    site = start()
    site.fake.faults(no_select=True)
    gadi = ("--hpconv-pbs-request", str(ROOT / "profiles/pbs/requests/gadi.txt"))
    status, output = site.run(*gadi, "--set-resources", "work:pbs_queue=workq")
    assert status == 0, output
    (call,) = site.calls("qsub")
    assert "ncpus=1" in call
    assert call[call.index("-q") + 1] == "workq"


def test_a_job_out_of_memory_is_tried_again_with_more(start: Start) -> None:
    site = start()
    more = ("--retries", "1", "--set-resources", "work:mem_mb=600*attempt")
    killed_once = "test $(grep -c began ran.txt) -gt 1 || kill -9 $$"
    status, output = site.run(*more, body=killed_once)
    assert status == 0, output
    assert "probably out of memory" in output
    assert "it requested 600 MiB" in output
    assert [re.search(r"mem=(\d+)mb", " ".join(call))[1] for call in site.calls("qsub")] == [
        "600",
        "1200",
    ]
    assert "hpconv: work-0 failed" not in output, "it has succeeded"


class TestAnyWorkflow(TestWorkflowsLocalStorageBase):
    """The tests that Snakemake has for executors."""

    __test__ = True

    @pytest.fixture(autouse=True)
    def cluster(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        site = start()
        monkeypatch.setenv("PATH", f"{FAKE}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("FAKE_PBS", str(site.fake.folder))
        monkeypatch.delenv("HPCONV_RUN", raising=False)

    def get_executor(self) -> str:
        return "hpconv-pbs"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings(status_seconds=1)
