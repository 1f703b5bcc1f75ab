"""Examples at the end of each command's ``--help``; they run where the demo has run."""

import re

WIDTH = 74  # 80 columns less the indentation of --help

DEMO = "results/demo"
CONNECTION = f"--connection {DEMO}/mongodb/connection.json"
HISTORY = f"--history {DEMO}/trials.jsonl"
DATA = f"--data {DEMO}/data.h5"
WINNER = f"{DEMO}/winners/1"
CONFIG = f"--config {DEMO}/config.json"
ENDS = f"--summary {DEMO}/search/summary.json --stopped stopped --failure none/failed"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "init": ("hpconv init photos", "hpconv init table.csv --name mine"),
    "plan": (
        "hpconv plan --configfile config/mine.yaml",
        "hpconv plan --configfile config/mine.yaml --profile profiles/pbs -j 10 --json",
    ),
    "space": (
        "hpconv space",
        "hpconv space --output-sizes 16,32 --max-layer-sizes 32 --json",
    ),
    "demo": ("hpconv demo", "hpconv demo -n", "hpconv demo --cores 8"),
    "status": ("hpconv status --watch", "hpconv status --experiment demo --json"),
    "best": ("hpconv best", "hpconv best --experiment demo -n 3 --json"),
    "extract": (
        "hpconv extract --trial 3 --images photos --output features.h5",
        f"hpconv extract --trial 3 --experiment {DEMO} --images mine.npy --output features.h5",
        "hpconv extract --assignment values.json --unsupervised learn.npy --images mine.npy "
        "--output features.h5",
    ),
    "export": (
        "hpconv export --winner 1 --format onnx --output winner.onnx",
        "hpconv export --winner 1 --experiment demo --format npz --output winner.npz",
        "hpconv export --trials optuna.db",
    ),
    "predict": (
        "hpconv predict --images new --output labels.csv",
        "hpconv predict --winner 2 --experiment demo --images one.png --output labels.csv",
        "hpconv predict --together --images new.csv --labels true.csv --output labels.csv",
    ),
    "compare": ("hpconv compare demo mine", "hpconv compare demo mine --json"),
    "cite": ("hpconv cite", "hpconv cite --experiment demo"),
    "cache ls": ("hpconv cache ls", "hpconv cache ls --json"),
    "cache verify": ("hpconv cache verify",),
    "cache prune": ("hpconv cache prune --keep 50GB",),
    "mongod start": (
        "hpconv mongod start --dbpath db --connection connection.json --log mongod.log",
    ),
    "mongod stop": (f"hpconv mongod stop {CONNECTION}",),
    "mongod status": (
        f"hpconv mongod status {CONNECTION}",
        f"hpconv mongod status {CONNECTION} --json",
    ),
    "mongod backup": (f"hpconv mongod backup {CONNECTION} --output backup",),
    "mongod restore": ("hpconv mongod restore --backup backup --dbpath db",),
    "worker": (
        f"hpconv worker {CONNECTION} --exp-key demo",
        "hpconv worker --mongo node7:27017/hpconv --exp-key demo",
    ),
    "driver": (
        f"hpconv driver {CONFIG} {CONNECTION} {DATA} --summary summary.json --output trials.jsonl",
    ),
    "doctor": ("hpconv doctor", "hpconv doctor --profile profiles/pbs", "hpconv doctor --json"),
    "report": ("hpconv report", "hpconv report --experiment demo --output report.html"),
    "dashboard": ("hpconv dashboard", "hpconv dashboard --experiment demo"),
    "data": (f"hpconv data {CONFIG} --output digits.h5",),
    "wait": (f"hpconv wait {CONFIG} {CONNECTION} {ENDS}",),
    "worker-job": (
        f"hpconv worker-job {CONFIG} {CONNECTION} {ENDS} --workdir work --output worker.json",
    ),
    "gather": (
        f"hpconv gather {HISTORY} --summary {DEMO}/search.json --workers workers.jsonl --run 0a1b "
        "--csv trials.csv --output all.jsonl --ended search.json",
    ),
    "recheck": (f"hpconv recheck {CONFIG} {HISTORY} --number 1 {DATA} --output recheck.json",),
    "rank": (
        f"hpconv rank {HISTORY} --winners 3 --folder winners --output best.tsv",
        f"hpconv rank {HISTORY} --winners 3 --folder winners --output best.tsv recheck.json",
    ),
    "features": (
        f"hpconv features {CONFIG} --trial {WINNER}/trial.json {DATA} --output features.h5",
    ),
    "baseline": (f"hpconv baseline {DATA} --output baseline.json",),
    "retrain": (
        f"hpconv retrain {CONFIG} --trial {WINNER}/trial.json {DATA} "
        f"--features {WINNER}/features.h5 --output evaluation.json --scores scores.npz "
        "--classifier classifier.npz",
    ),
    "ensemble": (
        f"hpconv ensemble {CONFIG} {HISTORY} {DATA} --folder ensemble --output ensemble.json",
    ),
    "evaluate": (
        f"hpconv evaluate {DATA} --baseline {DEMO}/baseline.json --output final.json "
        f"{WINNER}/evaluation.json",
    ),
}


def epilog(command: str) -> str:
    """The examples of a command for its help: copyable, at most 80 columns wide."""
    return "\n\n".join(["Examples:", "\n".join(map(_folded, EXAMPLES[command]))])


def _folded(command: str) -> str:
    """A command on several lines for a shell; an option stays on the line of its value."""
    first, *rest = re.split(r" (?=--)", command)
    lines = [first]
    for part in rest:
        if len(lines[-1]) + 1 + len(part) > WIDTH:
            lines.append(f"    {part}")
        else:
            lines[-1] += f" {part}"
    return " \\\n".join(lines)
