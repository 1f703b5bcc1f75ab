import json
import shlex
import sys
from pathlib import Path

from hpconv.config import resolve, to_json
from hpconv.errors import UserError


def refuse(reason):
    """End with one line; Snakemake's own errors add places in files that a user cannot mend."""
    sys.exit(f"hpconv: {reason}")


def load_config():
    """The configuration with all defaults."""
    try:
        return to_json(resolve(config, warn))
    except UserError as error:
        refuse(error)


def warn(message):
    """Print a line, unless this process runs one job of the workflow, which reads all of it."""
    if workflow.is_main_process:
        print(f"hpconv: {message}", file=sys.stderr)


def section(name, *keys):
    """A section of the configuration, or some of its keys, as JSON for the command line."""
    chosen = config[name]
    return json.dumps({key: chosen[key] for key in keys} if keys else chosen)


def search_settings():
    """All that decides which trials a search makes, as JSON for the command line."""
    keys = ("algorithm", "startup_trials", "seed", "patience_minutes", *BOUNDS)
    chosen = {key: config["search"][key] for key in keys}
    grown = config["ensemble"] if config["ensemble"]["grow"] else {}
    return json.dumps(chosen | {"ensemble": grown})


def worker_count():
    """As many as configured, else as many as there are slots beside server and driver.

    A search that has ended keeps the number it had: another one would be a reason to run again.
    """
    if Path(ENDED).exists():
        ended = json.loads(Path(ENDED).read_text())
        if ended["search"] == json.loads(SEARCH):
            return ended["workers"]
    chosen = config["search"]["workers"]
    if chosen is not None:
        return chosen
    if workflow.nodes is not None:
        return max(1, workflow.nodes - 1)
    return max(1, ((workflow.cores or 1) - 2) // config["search"]["worker_threads"])


def server_options(**keys):
    """Options of the command line for those keys of section database that are set."""
    values = {option: config["database"][key] for option, key in keys.items()}
    return " ".join(f"--{k} {shlex.quote(v)}" for k, v in values.items() if v)


def of_winners(name):
    """A file of each winner."""
    return expand(f"{RESULTS}/winners/{{rank}}/{name}", rank=RANKS)


def final_outputs():
    tables = [f"{RESULTS}/trials.csv", f"{RESULTS}/best_trials.tsv", IMPORTANCE]
    winners = [*of_winners("features.h5"), *of_winners("evaluation.json")]
    return [*tables, FINAL, REPORT, *winners]


def grown_ensemble():
    """The evaluation of the ensemble, where the search grows one."""
    return [f"{RESULTS}/ensemble/evaluation.json"] if config["ensemble"]["grow"] else []


def check_slots():
    """Server and driver run while the workers do: fewer slots would wait for ever."""
    if workflow.nodes is not None:  # a cluster, where server and driver are one job
        if workflow.nodes < 3:
            refuse(
                f"-j {workflow.nodes} is too few: the job of server and driver, the wait for it "
                "and a worker run side by side, use -j 3 or more"
            )
        return
    threads = config["search"]["worker_threads"]
    if workflow.cores is not None and workflow.cores < 2 + threads:
        refuse(
            f"{workflow.cores} job slots are too few: server, driver and a worker of "
            f"{threads} threads run side by side, use --cores {2 + threads} or more"
        )


include: "after_search.smk"


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
ENDED = f"{RESULTS}/search.json"
BASELINE = f"{RESULTS}/baseline.json"
FINAL = f"{RESULTS}/final_evaluation.json"
REPORT = f"{RESULTS}/report.html"
IMPORTANCE = f"{RESULTS}/importance.csv"
BUDGET = section("search", "trial_seconds", "images_per_second", "trial_memory_mb")
BOUNDS = ("max_evals", "max_minutes", "target_loss", "no_improvement_trials")
SEARCH = search_settings()
# what a trial may take, and what surrounds it
MEMORY_MB = config["search"]["trial_memory_mb"] + 1500
WORKERS = range(1, worker_count() + 1)
RANKS = range(1, config["evaluation"]["winners"] + 1)
FINAL_ONLY = final_only()
if FINAL_ONLY:
    recall_search()

# An environment made by conda has the libraries, but not this package: it is found here.
shell.prefix(f'export PATH="$PATH:{workflow.basedir}/envs/bin"; ')
