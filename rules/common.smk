import json
import os
import secrets
import shlex
import shutil
import sys
import time
from pathlib import Path

from hpconv.config import (
    check_before_run,
    check_repeated_keys,
    load,
    resolve,
    search_record,
    to_json,
)
from hpconv.errors import UserError, visible
from hpconv.experiments import HISTORIES
from hpconv.files import read_json, write_json
from hpconv.trials import read_summary


def refuse(reason):
    """End with one line; Snakemake's own errors add positions in files of the workflow."""
    sys.exit(f"hpconv: {visible(str(reason))}")


def warn(message):
    """Print a line, unless this process runs one job of the workflow, which reads all of it."""
    if workflow.is_main_process:
        print(f"hpconv: {message}", file=sys.stderr)


def resolved_config():
    try:
        for path in workflow.configfiles:
            check_repeated_keys(Path(path))
        settings = resolve(config, warn)
        check_before_run(settings)
        return settings
    except UserError as error:
        refuse(error)


def write_config():
    """Write the configuration for the jobs of this run.

    No job has the file as an input: jobs run again when the keys in their params change.
    """
    write_json(Path(CONFIG), to_json(settings))


def keys(section, *names):
    """Keys of a section of the configuration, all without names.

    Jobs read the configuration from CONFIG. Params name the keys that a job uses, so that it runs
    again when they change.
    """
    values = to_json(getattr(settings, section))
    return json.dumps({name: values[name] for name in names} if names else values)


def recorded_search():
    """The record of the search, None before it has ended."""
    try:
        return read_summary(Path(ENDED)) if Path(ENDED).exists() else None
    except UserError as error:
        refuse(f"{error}: delete this file, and the same command writes it again")


def search_has_ended():
    """Whether the search that is configured has ended."""
    ended = recorded_search()
    return ended is not None and ended["search"] == search_record(settings)


def worker_count():
    """As configured, else one for each job slot that server and driver leave.

    A search that has ended keeps its number of workers: a different one would be a reason for
    Snakemake to run it again.
    """
    if search_has_ended():
        return recorded_search()["workers"]
    if settings.search.workers is not None:
        return settings.search.workers
    if workflow.nodes is not None:
        return max(1, workflow.nodes - 1)
    return max(1, ((workflow.cores or 1) - 2) // settings.search.worker_threads)


def run_name():
    """The run in which the search takes place: that of this process, unless the search has ended.

    What waits for a server or works on one belongs to a run: its files have the name in their paths,
    so that no file of an earlier run makes Snakemake skip a worker. Jobs get it as HPCONV_RUN.
    """
    if search_has_ended():
        return recorded_search()["run"]
    return os.environ.setdefault("HPCONV_RUN", secrets.token_hex(4))


def remove_earlier_runs():
    """Remove what earlier runs of this search have left."""
    for path in Path(SEARCH).glob("run-*"):
        if path.name != Path(RUN).name:
            shutil.rmtree(path)


def server_options():
    """Command-line options for the keys of section database that are set."""
    values = {"binary": settings.database.mongod, "bind": settings.database.bind}
    return " ".join(f"--{k} {shlex.quote(v)}" for k, v in values.items() if v)


def of_winners(name, ranks=None):
    """A file of each winner and each variant of one, or of these."""
    return expand(f"{RESULTS}/winners/{{rank}}/{name}", rank=ranks or TESTED)


def variant_options():
    """Command-line options for the variants of winners."""
    evaluation = settings.evaluation
    return [
        *(
            ["--max-n-features", evaluation.max_n_features]
            if evaluation.max_n_features
            else []
        ),
        *(["--flips"] if evaluation.flips else []),
    ]


def rechecks():
    """The errors of the best trials on other divisions, if they are measured."""
    numbers = range(1, settings.evaluation.recheck.best + 1)
    return expand(f"{RESULTS}/recheck/{{number}}.json", number=numbers)


def last_failure(wildcards):
    """The file that a failed winner leaves; it is newer than its features, which run again."""
    path = f"{RESULTS}/winners/{wildcards.rank}/last_failure.json"
    return [path] if Path(path).exists() else []


def report_failed_winners():
    """Name the winners that failed, and end with a non-zero exit status."""
    # here, as it imports numpy, for which not every start should wait
    from hpconv.evaluation.records import failure_text

    lines = []
    for rank, path in zip(TESTED, map(Path, of_winners("evaluation.json"))):
        failure = read_json(path).get("failure") if path.exists() else None
        if failure:
            lines.append(f"winner {rank} failed: {failure_text(failure)}")
    if lines:
        lines.append("the others are evaluated; run the same command again to retry")
        refuse("\nhpconv: ".join(lines))


def report_lost_workers():
    """Name the workers that the search has lost in this run, in one line."""
    lost = recorded_search().get("lost", [])
    if lost and os.environ.get("HPCONV_RUN") == run_name():
        warn(
            f"the search has ended without {len(lost)} of its workers: {'; '.join(lost)}"
        )


def report_results():
    """Name the report that this run has written, and the command that uses the winner."""
    page = Path(REPORT)
    if not page.exists() or page.stat().st_mtime < STARTED:
        return
    warn(f"the report is {REPORT}")
    if settings.data.name not in PAIRS:
        warn(
            f"new pictures: hpconv predict --experiment {settings.experiment} --images new"
            " --output labels.csv"
        )


def report_errors():
    """Repeat the messages of the jobs that failed, as Snakemake prints more after them."""
    for log in sorted(Path(LOGS).rglob("*.log")):
        if log.stat().st_mtime > STARTED:
            last = log.read_text(errors="replace").rstrip().rpartition("\n")[2]
            if last.startswith("hpconv: "):
                print(f"{last} ({log})", file=sys.stderr)


def warn_of_lock():
    """Explain the lock that a killed run leaves, which Snakemake then refuses in a traceback."""
    locks = Path(".snakemake/locks").glob("*.output.lock")
    if "--unlock" not in sys.argv and any(
        f"{RESULTS}/" in lock.read_text() for lock in locks
    ):
        warn(
            f"{RESULTS} is locked by a run that is still going on, or that was killed: in the "
            "second case add --unlock to this command once, then start it again; nothing is lost"
        )


def final_outputs():
    tables = [f"{RESULTS}/trials.csv", f"{RESULTS}/best_trials.tsv", IMPORTANCE]
    winners = [*of_winners("features.h5"), *of_winners("evaluation.json")]
    return [*tables, FINAL, REPORT, *winners]


def grown_ensemble():
    """The evaluation of the ensemble, if the search grows one."""
    return [f"{RESULTS}/ensemble/evaluation.json"] if GROWS_ENSEMBLE else []


def check_data():
    """Refuse to replace the images of an experiment that has trials."""
    histories = [Path(RESULTS, name) for name in HISTORIES]
    if not any(path.exists() and path.stat().st_size for path in histories):
        return
    try:
        made_with = to_json(load(Path(CONFIG)).data)
    except (OSError, UserError):  # then hpconv data compares the images
        return
    for key, value in to_json(settings.data).items():
        if value != made_with[key]:
            refuse(
                f"config key 'data.{key}' is {value!r}, but the trials of experiment "
                f"'{settings.experiment}' were made with {made_with[key]!r}: write that, or choose "
                "a new 'experiment' name"
            )


def check_start_from():
    """Refuse an invalid search.start_from before a job starts."""
    if settings.search.start_from is None:
        return
    # here, as it imports hyperopt, for which not every start should wait
    from hpconv.model import start_from

    try:
        start_from.read(settings.search.start_from)
    except UserError as error:
        refuse(error)


def check_slots():
    """Server, driver and a worker run at the same time: with fewer slots they wait forever."""
    if workflow.nodes is not None:  # a cluster, where server and driver are one job
        if workflow.nodes < 3:
            refuse(
                f"-j {workflow.nodes} is too few: the job of server and driver, the wait for it "
                "and a worker run at the same time, use -j 3 or more"
            )
        return
    threads = settings.search.worker_threads
    if workflow.cores is not None and workflow.cores < 2 + threads:
        refuse(
            f"{workflow.cores} job slots are too few: server, driver and a worker of "
            f"{threads} threads run at the same time, use --cores {2 + threads} or more"
        )


STARTED = time.time()
settings = resolved_config()
RESULTS = f"results/{settings.experiment}"
LOGS = f"{RESULTS}/logs"
CONFIG = f"{RESULTS}/config.json"
DATA = f"{RESULTS}/data.h5"
CONNECTION = f"{RESULTS}/mongodb/connection.json"
# The driver exports to these two; rule gather makes HISTORY and ENDED of them.
SEARCH = f"{RESULTS}/search"
EXPORT = f"{SEARCH}/history.jsonl"
SUMMARY = f"{SEARCH}/summary.json"
HISTORY = f"{RESULTS}/trials.jsonl"
ENDED = f"{RESULTS}/search.json"
BASELINE = f"{RESULTS}/baseline.json"
FINAL = f"{RESULTS}/final_evaluation.json"
REPORT = f"{RESULTS}/report.html"
IMPORTANCE = f"{RESULTS}/importance.csv"
STOPPING = ("max_evals", "max_minutes", "target_loss", "no_improvement_trials")
MEMORY_MB = settings.search.worker_memory_mb
WORKERS = range(1, worker_count() + 1)
RUN = f"{SEARCH}/run-{run_name()}"
ALL_ENDED = f"{RUN}/workers.jsonl"
# Files that tell workers why the search has stopped: of the driver, and of the executor.
STOPPED = f"{RUN}/stopped"
FAILURE = f".snakemake/hpconv-pbs/{run_name()}/driver-mongod.failed"
PAIRS = ("lfw", "pairs")  # data sets without labels of single images
RESTARTS = 5  # of a worker that is killed
RANKS = range(1, settings.evaluation.winners + 1)
VARIANTS = settings.evaluation.variants
TESTED = [*RANKS, *(f"{rank}/{name}" for name in VARIANTS for rank in RANKS)]

# A conda environment has the libraries, but not this package: it is found here.
shell.prefix(f'export PATH="$PATH:{workflow.basedir}/envs/bin"; ')
