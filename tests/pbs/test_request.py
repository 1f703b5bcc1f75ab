"""Templates of requests."""

from pathlib import Path

import pytest

from hpconv.errors import UserError
from hpconv.pbs.dialects import DIALECTS
from hpconv.pbs.request import Resources, Template

EXAMPLES = Path(__file__).parents[2] / "profiles/pbs/requests"
JOB = Resources(cpus=4, memory=8000, minutes=90)
GPU_JOB = Resources(cpus=4, memory=8000, minutes=90, gpus=1)


def test_requests_are_in_the_schedulers_own_words() -> None:
    requests = {name: " ".join(Template.of_dialect(name).options(GPU_JOB)) for name in DIALECTS}
    select, nodes = "select=1:ncpus=4:mem=8000mb:ngpus=1", "nodes=1:ppn=4:gpus=1,mem=8000mb"
    assert requests["openpbs"].startswith(f"-l {select} -l walltime=01:30:00 -k oed")
    assert requests["torque"].startswith(f"-l {nodes},walltime=01:30:00")
    assert requests["slurm"] == f"-l {nodes},walltime=01:30:00"


@pytest.mark.parametrize("name", DIALECTS)
def test_a_job_without_gpus_does_not_ask_for_them(name: str) -> None:
    assert "gpu" not in " ".join(Template.of_dialect(name).options(JOB))


def test_examples_follow_the_rules_of_their_sites() -> None:
    gadi = " ".join(Template.read(EXAMPLES / "gadi.txt").options(GPU_JOB))
    assert gadi.startswith("-l ncpus=4,ngpus=1 -l mem=8000mb -l walltime=01:30:00")
    assert "select" not in gadi
    assert "filesystems=home:eagle" in Template.read(EXAMPLES / "alcf.txt").options(JOB)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "-l mem={memory}mb",
            "line 2: the field {memory} is unknown: write one of {cpus}, {mem_mb}",
        ),
        ("-l mem={mem_mb", "line 2: expected '}' before end of string: -l mem={mem_mb"),
        ("-N 'a", "line 2: No closing quotation: -N 'a"),
    ],
)
def test_a_wrong_template_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(f"# mine\n{text}\n")
    with pytest.raises(UserError) as refusal:
        Template.read(path)
    assert str(refusal.value).startswith(f"{path}, {message}")


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="hpconv-pbs-request is '.*': No such file"):
        Template.read(tmp_path / "none.txt")
