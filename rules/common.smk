import json
import shlex
import sys
from pathlib import Path

import yaml

from hpconv.config import resolve
from hpconv.errors import UserError


def refuse(reason):
    """End with one line; Snakemake's own errors add places in files that a user cannot mend."""
    sys.exit(f"hpconv: {reason}")


def load_config():
    schema = Path(workflow.basedir, "config/schemas/config.schema.yaml")
    try:
        return resolve(config, yaml.safe_load(schema.read_text()))
    except UserError as error:
        refuse(error)


def section(name, *keys):
    """A section of the configuration, or some of its keys, as JSON for the command line."""
    chosen = config[name]
    return json.dumps({key: chosen[key] for key in keys} if keys else chosen)


def server_options(**keys):
    """Options of the command line for those keys of section database that are set."""
    values = {option: config["database"][key] for option, key in keys.items()}
    return " ".join(f"--{k} {shlex.quote(v)}" for k, v in values.items() if v)


def final_outputs():
    names = ["trials.csv", "best_trials.tsv", "final_evaluation.json", "report.html"]
    winners = expand(
        "winners/{rank}/{name}", rank=RANKS, name=["features.h5", "evaluation.json"]
    )
    return [f"{RESULTS}/{name}" for name in [*names, *winners]]


def check_slots():
    """Server and driver run while the workers do: fewer slots would wait for ever."""
    slots = workflow.cores if workflow.nodes is None else workflow.nodes
    needed = 2 + config["search"]["worker_threads"]
    if slots is not None and slots < needed:
        refuse(
            f"{slots} job slots are too few: server, driver and a worker of "
            f"{needed - 2} threads run side by side, use --cores {needed} or more"
        )


config = load_config()
RESULTS = f"results/{config['experiment']}"
LOGS = f"{RESULTS}/logs"
DATA = f"{RESULTS}/data.h5"
CONNECTION = f"{RESULTS}/mongodb/connection.json"
EXPORT = (
    f"{RESULTS}/search/history.jsonl"  # by the driver; HISTORY is what remains of it
)
SUMMARY = f"{RESULTS}/search/summary.json"  # by the driver, too
HISTORY = f"{RESULTS}/trials.jsonl"
BUDGET = section("search", "trial_seconds", "images_per_second", "trial_memory_gb")
BOUNDS = ("max_evals", "max_minutes", "target_loss", "no_improvement_trials")
SEARCH = section(
    "search", "algorithm", "startup_trials", "seed", "patience_minutes", *BOUNDS
)
WORKERS = range(1, config["search"]["workers"] + 1)
RANKS = range(1, config["evaluation"]["winners"] + 1)

# An environment made by conda has the libraries, but not this package: it is found here.
shell.prefix(f'export PATH="$PATH:{workflow.basedir}/envs/bin"; ')
