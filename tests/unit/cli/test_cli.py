"""The command line: help, examples, Tab completion, exit statuses and error messages."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from hpconv import cli
from hpconv.cli.examples import EXAMPLES
from hpconv.trials import succeeded, write_csv
from tests.unit.objective.test_objective import CANDIDATE, MODEL

STEPS = {
    "recheck",
    "data",
    "wait",
    "worker-job",
    "gather",
    "rank",
    "features",
    "baseline",
    "retrain",
    "ensemble",
    "evaluate",
}


DRIVER = (
    "driver --connection none.json --data results/demo/data.h5 --summary s.json --output t.jsonl"
)
BROKEN = {
    "seed.json": {"seed": 1},
    "engine.json": {"experiment": "demo", "model": {"engine": "gpi"}},
    "list.json": {"experiment": "demo", "search": {"max_evals": [1]}},
    "start.json": {"experiment": "demo", "search": {"start_from": "none.jsonl"}},
    "nam.json": {"experiment": "demo", "data": {"nam": "digits"}},
    "name.json": {"experiment": "demo", "data": {"name": "digit"}},
}


def verbs(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its name on the command line."""
    for name, verb in getattr(command, "commands", {}).items():
        yield from verbs(verb, f"{path} {name}".strip())
    if not hasattr(command, "commands"):
        yield path, command


VERBS = dict(verbs(typer.main.get_command(cli.app)))


def called(capsys: pytest.CaptureFixture[str], monkeypatch: Any, *arguments: str) -> Any:
    """Exit status, stdout and stderr of the command, run in this process, which is faster."""
    monkeypatch.setattr(sys, "argv", ["hpconv", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    return end.value.code or 0, captured.out, captured.err


def tab(shell: str, asked: dict[str, str]) -> str:
    """The completions that a shell gets."""
    environment = asked | {"_HPCONV_COMPLETE": f"complete_{shell}"}
    return CliRunner().invoke(cli.app, [], env=environment, prog_name="hpconv").output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Path) -> Path:
    """A folder with an experiment of a trial that succeeded, a better one, and one that failed."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/demo"
    (folder / "winners/1").mkdir(parents=True)
    (folder / "winners/1/trial.json").write_text("{}")
    (folder / "data.h5").symlink_to(digits)
    vals = {label: [value] for label, value in CANDIDATE.items()}
    misc = {"vals": vals, "model": vars(MODEL)}
    ok = {"status": "ok", "feature_shape": [800], "seconds": {"learn": 1.0, "extract": 0.5}}
    why = {"kind": "too_slow", "reason": "12.0 images a second, 20 are required"}
    common = {"misc": misc, "owner": "node7:1:a", "refresh_time": None}
    trials = [
        {"tid": 0, "result": {**ok, "loss": 0.25}, **common},
        {"tid": 1, "result": {**ok, "loss": 0.125}, **common},
        {"tid": 2, "result": {"status": "fail", "failure": why}, **common},
    ]
    (folder / "trials.jsonl").write_text("".join(json.dumps(t) + "\n" for t in trials))
    write_csv(succeeded(trials), folder / "best_trials.tsv", dialect="excel-tab")
    tested = {"test_error": 0.1, "interval": [0.05, 0.2], "standard_error": None}
    tested |= {"seed_deviation": None, "test_errors": [0.1], "confusion": [[1]]}
    of_trial = {"hyperparameters": {}, "feature_shape": [800], "seconds": {}, **tested}
    winners = [
        {"rank": 1, "tid": 1, "validation_error": 0.125, **of_trial, "test_error": 0.1875},
        {"rank": "average", "members": [1], **tested},
    ]
    data = {"name": "digits", "checksum": "0"}
    pixels = {"method": "pixels", "validation_error": 0.5, **tested}
    final = {"data": data, "raw_pixels": pixels, "winners": winners, "missing": []}
    (folder / "final_evaluation.json").write_text(json.dumps(final))
    np.save(tmp_path / "mine.npy", np.zeros((2, 20, 20), "uint8"))
    np.save(tmp_path / "oblong.npy", np.zeros((2, 20, 24), "uint8"))
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_command_ends_with_examples(verb: str) -> None:
    result = CliRunner(env={"TERMINAL_WIDTH": "80", "NO_COLOR": "1"}).invoke(
        cli.app, [*verb.split(), "--help"]
    )
    assert result.exit_code == 0
    examples = result.output.partition("Examples:")[2]
    assert f"hpconv {verb}" in examples
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize(("verb", "example"), [(v, e) for v in EXAMPLES for e in EXAMPLES[v]])
def test_examples_use_existing_and_all_required_options(verb: str, example: str) -> None:
    words = shlex.split(example)
    assert words[0] == "hpconv"
    assert " ".join(words[1:]).startswith(verb)
    command = VERBS[verb]
    known = {name for option in command.params for name in option.opts}
    given = {word for word in words if word.startswith("-")}
    assert given <= known or "ignore_unknown_options" in command.context_settings
    required = [p for p in command.params if p.required and p.param_type_name == "option"]
    assert all(given & set(option.opts) for option in required)


def test_help_separates_user_commands_and_workflow_steps() -> None:
    shown = CliRunner().invoke(cli.app, ["--help"]).output
    people, _, steps = shown.partition("Steps of the workflow")
    for verb in {name.split()[0] for name in VERBS}:
        panel = steps if verb in STEPS else people
        assert re.search(rf"│ {verb} ", panel), verb
    assert "Exit status" in steps


def test_help_imports_no_large_library() -> None:
    code = "import sys, hpconv.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not {"numpy", "pydantic", "pymongo", "hyperopt", "h5py", "snakemake"} & set(
        loaded.stdout.split()
    )


def test_version_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = called(capsys, monkeypatch, "--version")
    assert out == f"hpconv {cli.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "parts"),
    [
        ("extrat", 2, ["No such command 'extrat'", "'extract'"]),
        ("extract --trail 1", 2, ["--trail", "--trial"]),
        ("extract --images mine.npy --output f.h5", 1, ["--trial N"]),
        ("extract --trial 1 --images min.npy --output f.h5", 1, ["--images", "'mine.npy'"]),
        ("extract --trial 1 --images mine.npy --output results", 1, ["--output", "a folder"]),
        ("extract --trial 1 --images mine.npy --output mine.npy/f.h5", 1, ["no folder"]),
        ("extract --trial 1 --images oblong.npy --output f.h5", 1, ["20x24", "square"]),
        ("extract --trial 1 --images bad.json --output f.h5", 1, ["--images", "not an image"]),
        (
            "extract --trial 1 --images results/demo/winners --output f.h5",
            1,
            ["without image files", ".npy"],
        ),
        ("extract --trial 2 --images mine.npy --output f.h5", 1, ["too_slow", "12.0", "best"]),
        ("extract --trial 9 --images mine.npy --output f.h5", 1, ["--trial is 9", "0 to 2"]),
        ("extract --trial 1 --experiment dmo --images mine.npy --output f.h5", 1, ["demo"]),
        (
            "extract --assignment bad.json --unsupervised mine.npy --images mine.npy --output f.h5",
            1,
            ["bad.json", "JSON"],
        ),
        (
            "extract --assignment bad.json --unsupervised mine.npy --images mine.npy "
            "--output f.h5 --n-patches 5",
            1,
            ["'model.n_patches' is 5: write an integer (100 or more)"],
        ),
        ("best --experiment other", 1, ["--experiment is 'other'", "results/demo"]),
        ("data --config bad.json --output d.h5", 1, ["bad.json", "not JSON"]),
        ("data --config mine.npy --output d.h5", 1, ["--config", "does not contain a JSON object"]),
        ("data --config conf.json --output d.h5", 1, ["--config is 'conf.json'", "does not exist"]),
        ("data --config nam.json --output d.h5", 1, ["'data.nam'", "'name'"]),
        ("data --config name.json --output d.h5", 1, ["'digit'", "digits,"]),
        (
            "features --trial results/demo/winners/1/trial.json --data results/demo/data.h5 "
            "--config engine.json --output f.h5",
            1,
            ["engine.json", "'model.engine' is 'gpi'", "auto, cpu, gpu"],
        ),
        (f"{DRIVER} --config seed.json", 1, ["seed.json", "'seed' is unknown", "experiment"]),
        (f"{DRIVER} --config engine.json", 1, ["engine.json", "'model.engine' is 'gpi'"]),
        (f"{DRIVER} --config list.json", 1, ["list.json", "'search.max_evals' is [1]"]),
        (f"{DRIVER} --config start.json", 1, ["'search.start_from' is 'none.jsonl'", "or null"]),
        ("baseline --data mine.npy --output b.json", 1, ["--data", "no HDF5"]),
        ("rank --history mine.npy --winners 1 --folder w --output b.tsv", 1, ["--history"]),
        ("mongod status --connection none.json", 1, ["no server runs", "none.json"]),
        ("cache ls --cache none", 1, ["--cache is 'none'"]),
        ("doctor --profile none", 1, ["--profile is 'none'"]),
        ("space --output-sizes 3,a", 1, ["--output-sizes is '3,a'", "32,64"]),
    ],
)
def test_user_error_is_one_line_that_says_what_to_write(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    status: int,
    parts: list[str],
) -> None:
    (here / "bad.json").write_text("{a:1}")
    for name, config in BROKEN.items():
        (here / name).write_text(json.dumps(config))
    found, out, stderr = called(capsys, monkeypatch, *shlex.split(arguments))
    assert found == status
    assert not out
    assert all(part in stderr for part in parts), stderr
    if status == 1:
        assert stderr.startswith("hpconv: ")
    assert not (here / "f.h5").exists()


def test_file_system_error_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("space", "--json")

    def broken(*_: Any) -> None:
        raise PermissionError(13, "Permission denied", "/shared/table.json")

    monkeypatch.setattr("hpconv.model.space_table.table", broken)
    status, _, stderr = called(capsys, monkeypatch, *arguments)
    assert (status, stderr) == (1, "hpconv: Permission denied: /shared/table.json\n")


def test_image_files_are_cropped_to_the_format_of_the_search(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "photos/more").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), "uint8")
    Image.fromarray(pixels).save(here / "photos/b.png")
    Image.fromarray(pixels[:, :, 0].T).save(here / "photos/more/a.jpg")
    (here / "photos/broken.png").write_text("nothing")
    (here / "photos/notes.txt").write_text("not meant")
    options = ("--trial", "1", "--images", "photos", "--output", "new/f.h5")
    status, out, _ = called(capsys, monkeypatch, "extract", *options)
    assert status == 0
    assert out == "new/f.h5: features of 2 images, 800 each\n"
    with h5py.File("new/f.h5") as file:
        assert list(file["files"].asstr()[()]) == ["b.png", "more/a.jpg"]
        assert "broken.png" in file["skipped"].asstr()[0]
        of_folder = file["features"][0]
    called(capsys, monkeypatch, "extract", *options[:3], "photos/b.png", "--output", "one.h5")
    with h5py.File("one.h5") as file:
        assert list(file["files"].asstr()[()]) == ["b.png"]
        assert np.allclose(file["features"][0], of_folder)


def test_best_lists_trials_with_the_test_errors_of_winners(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = called(capsys, monkeypatch, "best")
    rows = [line.split() for line in out.splitlines()]
    assert rows[1] == ["1", "0.1250", "0.1875", "800", "1.5"]
    assert rows[2] == ["0", "0.2500", "800", "1.5"]
    assert len(rows) == 3
    _, out, _ = called(capsys, monkeypatch, "best", "--experiment", "demo", "-n", "1", "--json")
    (found,) = json.loads(out)
    assert (found["tid"], found["test_error"]) == (1, 0.1875)
    assert found["hyperparameters"] == CANDIDATE


def test_best_lists_trials_of_a_running_search(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    history = here / "results/demo/trials.jsonl"
    (here / "results/demo/live").mkdir()
    history.rename(here / "results/demo/live/trials.jsonl")
    (here / "results/demo/final_evaluation.json").unlink()
    _, out, _ = called(capsys, monkeypatch, "best", "--json")
    assert [row["tid"] for row in json.loads(out)] == [1, 0]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ex", {"extract", "export"}),
        ("mongod st", {"start", "stop", "status"}),
        ("extract --experiment ", {"demo"}),
        ("best --experiment results/", {"results/demo"}),
        ("extract --trial ", {"0", "1"}),
        ("export --format ", {"npz", "onnx", "pytorch"}),
    ],
)
def test_tab_completes_commands_and_values_in_bash(
    here: Path, typed: str, offered: set[str]
) -> None:
    words = f"hpconv {typed}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    assert set(tab("bash", asked).split()) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_tab_completes_in_other_shells(here: Path, shell: str) -> None:
    asked = {"_TYPER_COMPLETE_ARGS": "hpconv extract --trial "}
    offers = tab(shell, asked | {"_TYPER_COMPLETE_FISH_ACTION": "get-args"})
    assert "error 0.1250" in offers
    assert "error 0.2500" in offers


def test_demo_runs_the_workflow_in_the_current_folder(here: Path) -> None:
    command = [Path(sys.executable).with_name("hpconv"), "demo", "-n"]
    planned = subprocess.run(command, capture_output=True, text=True)
    assert planned.returncode == 0, planned.stderr
    assert str(here / "results/demo/report.html") in planned.stderr
    assert re.search(r"^retrain +3$", planned.stdout, re.MULTILINE)


def test_demo_without_a_checkout_says_how_to_get_one(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpconv.__file__", str(here / "hpconv/__init__.py"))
    status, _, stderr = called(capsys, monkeypatch, "demo")
    assert status == 1
    assert "clone" in stderr


def test_doctor_prints_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, _ = called(capsys, monkeypatch, "doctor", "--mongod", "/nowhere", "--json")
    found = {row["subject"]: row for row in json.loads(out)}
    assert status == 1
    assert found["mongod"]["found"] == "missing"
    assert "pip install" in found["mongod"]["advice"]
