import contextlib
import io
import json
import os
import sys
from pathlib import Path

from snakemake.cli import parse_args

# settings of how features are computed, not of which
MACHINE = ("engine", "batch_size")


def asked_for():
    """Rules and files that are targets, or that `-R` names, on the command line.

    Of `-R retrain retrain` both words belong to `-R`. A job of a cluster is told its rule. A
    Snakefile is read before Snakemake says what its targets are, so the command line is parsed
    once more.
    """
    if "snakemake" not in sys.argv[0]:  # a program that uses Snakemake as a library
        return []
    with contextlib.redirect_stderr(io.StringIO()):
        _, arguments = parse_args(sys.argv[1:])
    jobs = [job.rulename for job in arguments.target_jobs]
    return [*arguments.targets, *arguments.forcerun, *jobs]


def final_only():
    """Whether a search has ended, and nothing but what follows it is asked for.

    Then the search's outputs are taken as they are, whatever its settings are by now: no rule
    that could make them is known.
    """
    asked, ended = asked_for(), Path(HISTORY).exists() and Path(ENDED).exists()
    return bool(asked and ended and all(map(is_final, asked)))


def is_final(target):
    """Whether a rule or file belongs to what follows a search."""
    rules = ["rank", "features", "retrain", "retrain_winner", "baseline", "ensemble"]
    files = [f"{RESULTS}/winners/", f"{RESULTS}/ensemble/", BASELINE, FINAL]
    files += [REPORT, IMPORTANCE]
    path = os.path.relpath(target)
    return target in [*rules, "evaluate", "report"] or path.startswith(tuple(files))


def recall_search():
    """Put what the search was made with in place of what the configuration says by now."""
    with open(HISTORY) as file:
        model = json.loads(file.readline())["misc"]["model"]
    config["model"] |= {key: model[key] for key in model if key not in MACHINE}
    config["ensemble"]["grow"] = bool(
        json.loads(Path(ENDED).read_text())["search"]["ensemble"]
    )


def retrained(wildcards):
    """The winners' evaluations, for rule retrain.

    `-R retrain` means the jobs that make them, too: they have a wildcard, and so are of a rule
    with another name.
    """
    forced = workflow.dag.forcerules
    if workflow.get_rule("retrain") in forced:
        forced.add(workflow.get_rule("retrain_winner"))
    return of_winners("evaluation.json")


def report_missing_winners():
    """After an error: a final evaluation and a report of the winners that are there.

    They get the date of the search, so that the next run writes them again.
    """
    from hpconv.evaluation.records import (
        read_evaluation,
    )  # with numpy and all: not for every start

    winners = of_winners("evaluation.json")
    needed = [ENDED, BASELINE, *of_winners("trial.json")]
    missing = [each for each in winners if read_evaluation(Path(each)) is None]
    if not (missing and all(map(os.path.exists, needed))):
        return
    ensemble = " ".join(f"--ensemble {path}" for path in grown_ensemble())
    shell(
        f"(hpconv evaluate --data {DATA} --baseline {BASELINE} --logs {LOGS} {ensemble}"
        f" --output {FINAL} {' '.join(winners)}"
        f" && hpconv report --experiment {RESULTS} --output {REPORT}"
        f" --importance {IMPORTANCE}"
        f" && touch -r {HISTORY} {FINAL} {REPORT} {IMPORTANCE}) > {LOGS}/missing.log 2>&1"
        f" && echo 'hpconv: {REPORT} tells which winners are missing, and why'"
        f" || echo 'hpconv: there is no report, {LOGS}/missing.log tells why'"
    )
