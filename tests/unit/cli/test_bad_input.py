"""Damaged and wrong inputs of every command: one line, a status that is not 0, nothing lost."""

import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer

from hpconv import cli, datasets, features
from hpconv.config import DataSettings, resolve, search_record, to_json
from hpconv.datasets.data_file import DataFile
from hpconv.evaluation import retrain, summary
from hpconv.files import write_json
from tests.unit.objective.test_objective import CANDIDATE, MODEL

E = "results/demo"
HISTORY, DATA = f"--history {E}/trials.jsonl", f"--data {E}/data.h5"
CONFIG, WINNER = f"--config {E}/config.json", f"{E}/winners/1"
TRIAL, OUT = f"--trial {WINNER}/trial.json", "--output new"
GATHERED = f"--workers workers.jsonl --run a --csv new {OUT} --ended new"
ENDED = f"--summary {E}/search.json --stopped none --failure none"

NOT_JSON = {
    "empty": b"",
    "zeros": bytes(100),
    "latin-1": b'{"name": "M\xfcller"}\n',
    "cut": b'{"tid": 0, "misc": {"vals"',
    "html": b"<html>404</html>\n",
}
OTHER_JSON = {
    "list": b"[1]\n",
    "number": b"7\n",
    "text": b'"tid"\n',
    "null": b"null\n",
    "no-keys": b"{}\n",
    "other-keys": b'{"a": {"b": 1}}\n',
    "wrong-types": b'{"tid": "x", "misc": 3, "result": [], "search": 1, "experiment": 2}\n',
    "nested": b'{"tid": 0, "misc": {"vals": 3, "model": 4}, "result": {"status": 5}}\n',
}
JSON = NOT_JSON | OTHER_JSON
NOT_NPZ = NOT_JSON | {"number": b"7", "zip": b"PK\x03\x04" + bytes(100)}
# of a history: an unfinished last line is one that the driver is writing
LINES = {kind: content.strip() + b"\n" for kind, content in JSON.items() if content}


def hollow(changed: str) -> bytes:
    """A data file in which one part is a number."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name in ("images", "labels", "train", "validation", "classes", "skipped"):
            file[name] = np.zeros((2,) if name != "images" else (2, 1, 16, 16), "uint8")
        for name in ("folds/0/train", "folds/0/test"):
            file[name] = np.zeros(2, int)
        file.attrs.update({"name": "digits", "checksum": "0"})
        del file[changed]
        file[changed] = 7
    return buffer.getvalue()


NOT_HDF5 = {
    "empty": b"",
    "zeros": bytes(100),
    "signature": b"\x89HDF\r\n\x1a\n",
    "signature-and-zeros": b"\x89HDF\r\n\x1a\n" + bytes(2000),
    "json": b"{}",
}
NOT_HDF5 |= {f"hollow {name}": hollow(name) for name in ("images", "labels", "train", "folds/0")}

# commands by the file that is damaged
READERS = {
    f"{E}/config.json": (
        [
            f"data {CONFIG} {OUT}",
            f"wait {CONFIG} --connection none --summary none --stopped none --failure none",
            f"driver {CONFIG} --connection none {DATA} --summary new {OUT}",
            f"recheck {CONFIG} {HISTORY} --number 1 {DATA} {OUT}",
            f"features {CONFIG} {TRIAL} {DATA} {OUT}",
            f"retrain {CONFIG} {TRIAL} {DATA} --features {WINNER}/features.h5 {OUT} --scores new"
            " --classifier new",
            f"ensemble {CONFIG} {HISTORY} {DATA} --folder new {OUT}",
            f"worker-job {CONFIG} --connection none {ENDED} --workdir new {OUT}",
            f"compare {E} demo",
        ],
        JSON,
    ),
    f"{E}/trials.jsonl": (
        [
            f"recheck {CONFIG} {HISTORY} --number 1 {DATA} {OUT}",
            f"rank {HISTORY} --winners 1 --folder new {OUT}",
            f"gather {HISTORY} --summary {E}/search.json {GATHERED}",
            f"ensemble {CONFIG} {HISTORY} {DATA} --folder new {OUT}",
            "best",
            f"compare {E} demo",
            "cite",
            "report --output new",
            "export --trials new.csv",
            "export --trials new.db",
            "extract --trial 0 --images mine.npy --output new",
        ],
        LINES,
    ),
    f"{WINNER}/trial.json": (
        [
            f"features {CONFIG} {TRIAL} {DATA} {OUT}",
            f"retrain {CONFIG} {TRIAL} {DATA} --features {WINNER}/features.h5 {OUT} --scores new"
            " --classifier new",
            "export --winner 1 --format npz --output new",
            "report --output new",
        ],
        JSON,
    ),
    f"{E}/search.json": (
        [
            "status",
            f"gather {HISTORY} --summary {E}/search.json {GATHERED}",
            f"wait {CONFIG} --connection none {ENDED}",
            f"worker-job {CONFIG} --connection none {ENDED} --workdir new {OUT}",
            "report --output new",
        ],
        JSON,
    ),
    f"{E}/baseline.json": (
        [
            f"evaluate {DATA} --baseline {E}/baseline.json {OUT} {WINNER}/evaluation.json",
            "report --output new",
        ],
        JSON,
    ),
    f"{E}/final_evaluation.json": (["report --output new", "best"], JSON),
    "recheck.json": (
        [f"rank {HISTORY} --winners 1 --folder new {OUT} recheck.json"],
        {kind: content for kind, content in JSON.items() if kind != "null"},  # of a refused trial
    ),
    "ensemble.json": (
        [
            f"evaluate {DATA} --baseline {E}/baseline.json --ensemble ensemble.json {OUT} "
            f"{WINNER}/evaluation.json"
        ],
        JSON,
    ),
    "values.json": (
        ["extract --assignment values.json --unsupervised mine.npy --images mine.npy --output new"],
        JSON,
    ),
    "connection.json": (
        [
            "mongod stop --connection connection.json",
            "mongod status --connection connection.json",
            "mongod backup --connection connection.json --output new",
        ],
        JSON,
    ),
    f"{E}/data.h5": (
        [
            f"driver {CONFIG} --connection none {DATA} --summary new {OUT}",
            f"recheck {CONFIG} {HISTORY} --number 1 {DATA} {OUT}",
            f"baseline {DATA} {OUT}",
            f"evaluate {DATA} --baseline {E}/baseline.json {OUT} {WINNER}/evaluation.json",
            f"ensemble {CONFIG} {HISTORY} {DATA} --folder new {OUT}",
            "extract --trial 0 --images mine.npy --output new",
            "export --winner 1 --format npz --output new",
            f"compare {E} demo",
            "cite",
            "report --output new",
        ],
        NOT_HDF5,
    ),
    f"{WINNER}/classifier.npz": (["export --winner 1 --format npz --output new"], NOT_NPZ),
    f"{WINNER}/scores.npz": (["report --output new"], NOT_NPZ),
    "mine.npy": (
        [
            "extract --trial 0 --images mine.npy --output new",
            "extract --assignment good.json --unsupervised mine.npy --images mine.npy --output new",
        ],
        NOT_JSON | {"header": b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}", "zip": b"PK\x03\x04zip"},
    ),
}


@pytest.fixture(scope="module", autouse=True)
def commands() -> Iterator[None]:
    """All commands, built once: Typer would build them again for each of 600 calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "app", typer.main.get_command(cli.app))
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished experiment of one winner."""
    root = tmp_path_factory.mktemp("bad")
    folder, winner = root / E, root / WINNER
    data = folder / "data.h5"
    datasets.write(DataSettings("digits", fraction=0.2), data)
    with DataFile(data) as file:
        checksum = file.checksum
    vals = {label: [value] for label, value in CANDIDATE.items()}
    misc = {"tid": 0, "vals": vals, "idxs": {}, "model": vars(MODEL), "data": checksum}
    result = {"status": "ok", "loss": 0.1, "own_error": 0.1, "feature_shape": [800]}
    trial = {"tid": 0, "misc": misc, "result": result, "owner": "a:1:b", "refresh_time": None}
    winner.mkdir(parents=True)
    for path in (folder / "trials.jsonl", winner / "trial.json"):
        path.write_text(json.dumps(trial) + "\n")
    config = resolve({"experiment": "demo"})
    write_json(folder / "config.json", to_json(config))
    search = {"search": search_record(config), "stopped": "8 trials", "workers": 1}
    write_json(folder / "search.json", search)
    cache = root / "features"
    features.extract(trial, data, MODEL, winner / "features.h5", cache=cache)  # type: ignore[arg-type]
    retrain.retrain(
        *(winner / "trial.json", data, winner / "features.h5", MODEL),
        output=winner / "evaluation.json",
        scores=winner / "scores.npz",
        fitted=winner / "classifier.npz",
        seeds=1,
        cache=cache,
        memory_mb=1000,
    )
    retrain.baseline(data, folder / "baseline.json")
    summary.write_summary(
        data,
        folder / "baseline.json",
        [winner / "evaluation.json"],
        output=folder / "final_evaluation.json",
    )
    np.save(root / "mine.npy", np.zeros((2, 20, 20), "uint8"))
    write_json(root / "good.json", CANDIDATE)
    (root / "workers.jsonl").write_text('{"finished": 1}\n')
    return root


@pytest.fixture(scope="module")
def folder(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that the tests damage and repair."""
    return Path(shutil.copytree(original, tmp_path_factory.mktemp("copy") / "run"))


def state(folder: Path) -> dict[Path, tuple[int, int]]:
    """All files, with size and time of the last change."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def refusal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """What a command prints that must refuse its input in one line."""
    monkeypatch.setattr(sys, "argv", ["hpconv", *command.split()])
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed = capsys.readouterr().err
    assert end.value.code in (1, 2, 3), printed
    assert "Traceback" not in printed
    assert "\x1b" not in printed
    if end.value.code != 2:  # those of Typer have a usage line and a box
        assert "\nhpconv: " in f"\n{printed}", printed
    return printed


COMMANDS = [
    pytest.param(path, command, contents, id=f"{Path(path).name}: {command.partition(' -')[0]}")
    for path, (commands, contents) in READERS.items()
    for command in commands
]


@pytest.mark.parametrize(("path", "command", "contents"), COMMANDS)
def test_damaged_files_are_refused(
    folder: Path,
    path: str,
    command: str,
    contents: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    damaged = folder / path
    whole = damaged.read_bytes() if damaged.exists() else None
    try:
        for kind, content in contents.items():
            damaged.write_bytes(content)
            before = state(folder)
            printed = refusal(command, capsys, monkeypatch)
            assert damaged.name in printed, (kind, printed)
            assert state(folder) == before, kind
    finally:
        shutil.rmtree("new", ignore_errors=True)
        damaged.unlink()
        if whole is not None:
            damaged.write_bytes(whole)


NAN = float("nan")
CONFIGS: list[Any] = [
    *({"experiment": name} for name in (2024, 1.1, None, True, "", "demo\n", "a/b", "..", ".a")),
    *({"experiment": name} for name in ("{a}", "a" * 201, "M\xfcller", "a b", "-a", "a\0")),
    *({"search": {"max_evals": n}} for n in (NAN, 2.5, "1e3", -1, 0, None, [], {}, True)),
    *({"search": {"max_evals": n}} for n in (10**10, 10**30, float("inf"), "many")),
    *({"search": {"workers": n}} for n in (10**9, 0, 1.5)),
    *({section: {"seed": n}} for section in ("search", "data") for n in (2**32, 2**64, -1, 0.5)),
    *({"search": {key: NAN}} for key in ("max_minutes", "target_loss", "trial_seconds")),
    *({"search": {"trial_memory_mb": n}} for n in (0, -1)),
    *({"search": {"start_from": path}} for path in (3, "a{b}", "a\nb", "\0")),
    *({"data": {"path": path}} for path in (3, "a{b}c", "a\nb", "\0", ["a"])),
    *({"data": {key: NAN}} for key in ("fraction", "validation", "test", "size")),
    *({"data": {"size": n}} for n in (10**6, 15, "16 px")),
    *({"evaluation": value} for value in ({"cache": "x{y}"}, {"winners": 10**9}, {"recheck": 3})),
    *({"model": value} for value in ([], None, {"output_sizes": 32}, {"output_sizes": []})),
    *({"model": {"output_sizes": [n]}} for n in (10**6, 0, NAN)),
    *({"model": {"max_layer_sizes": value}} for value in ([10**6], [32, 32, 32], "32", [[]])),
    *({"database": value} for value in ({"mongod": "{x}"}, {"bind": 3}, {"mongod": "a\nb"})),
    {"3": 4},
    {"ensemble": {"relative_loss_thresh": NAN}},
    {"search": {"trial_memory_gb": "much"}},
]


@pytest.mark.parametrize("content", CONFIGS, ids=lambda content: ascii(content)[:60])
def test_invalid_configurations_are_refused(
    folder: Path,
    content: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    write_json(folder / "own.json", {"experiment": "a"} | content)
    before = state(folder)
    printed = refusal("data --config own.json --output new", capsys, monkeypatch)
    (key,) = content
    assert printed.startswith("hpconv: own.json: config key '" + key), printed
    assert len(printed.splitlines()) == 1
    assert state(folder) == before


OPTIONS = [
    "space --output-sizes 0",
    "space --output-sizes 16,x",
    "status --experiment none",
    "status --watch --json",
    "best -n 0",
    "best -n x",
    "best --experiment mine.npy",
    "report --output /dev/null/x",
    f"report --output {E}",
    "export",
    "export --winner 1",
    "export --winner 9 --format npz --output new",
    "export --winner 1 --format zip --output new",
    "export --trials new.txt",
    "export --trials new.csv --winner 1",
    "extract --images mine.npy --output new",
    "extract --trial 9 --images mine.npy --output new",
    "extract --trial -1 --images mine.npy --output new",
    "extract --trial 0 --images none --output new",
    f"extract --trial 0 --images {E}/logs --output new",
    f"extract --trial 0 --images {E}/config.json --output new",
    f"extract --trial 0 --images {E} --output new",
    f"extract --trial 0 --images mine.npy --output {E}",
    "extract --assignment good.json --unsupervised mine.npy --images mine.npy --output new "
    "--n-patches 1",
    "cache ls --cache none",
    "cache verify --cache none",
    "cache verify --cache mine.npy",
    "cache prune --cache none --keep 1GB",
    "cache prune --keep much",
    "cache prune --keep -1GB",
    "mongod start --dbpath mine.npy --connection new --log new.log",
    "mongod start --dbpath new --connection new.json --log new.log --binary none",
    "mongod start --dbpath new --connection new.json --log new.log --bind no.such.host.invalid",
    "mongod stop --connection none",
    "mongod backup --connection none --output new",
    "mongod restore --backup none --dbpath new",
    "mongod restore --backup mine.npy --dbpath new",
    "worker --exp-key demo",
    "worker --exp-key demo --mongo x --connection y",
    "worker --exp-key demo --mongo http://a/b",
    "worker --exp-key demo --mongo a:99999/b",
    "worker --exp-key demo --mongo a:1/b --poll-interval 0",
    "worker --exp-key demo --mongo a:1/b --poll-interval nan",
    "worker --exp-key demo --connection none --walltime soon",
    "worker --exp-key demo --connection none --max-jobs 0",
    "worker --exp-key demo --connection none --reserve-timeout -1",
    "doctor --profile none",
    "doctor --profile mine.npy",
    "dashboard --experiment none",
    "dashboard --port 0",
    f"recheck {CONFIG} {HISTORY} --number 0 {DATA} {OUT}",
    f"rank {HISTORY} --winners 0 --folder new {OUT}",
    f"rank {HISTORY} --winners 9 --folder new {OUT}",
    f"evaluate {DATA} --baseline none {OUT} {WINNER}/evaluation.json",
    f"gather {HISTORY} --summary none {GATHERED}",
    f"driver {CONFIG} --connection none --data mine.npy --summary new {OUT}",
    "baseline --data none --output new",
    "baseline --data results --output new",
    f"baseline {DATA} --output results",
    "no-such-command",
    "--no-such-option",
    "data",
]


@pytest.mark.parametrize("command", OPTIONS)
def test_invalid_options_are_refused(
    folder: Path,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    before = state(folder)
    refusal(command, capsys, monkeypatch)
    after = state(folder)
    assert {path: after.get(path) for path in before} == before
    for new in folder.glob("new*"):
        shutil.rmtree(new) if new.is_dir() else new.unlink()
