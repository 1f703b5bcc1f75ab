"""``hpconv plan``: what a search will cost, from a dozen candidates that are evaluated here."""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpconv.cli import checks
from hpconv.cli.options import AsJson
from hpconv.cli.search_command import search_command

if TYPE_CHECKING:
    from hpconv.config import Config
    from hpconv.pbs.profile import Profile
    from hpconv.pbs.recommendation import Recommendation
    from hpconv.search.forecast import Estimate, Forecast
    from hpconv.search.trial_costs import TrialCost

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # as Snakemake sets them

log = logging.getLogger(__name__)


def plan(
    configfile: Annotated[
        Path, typer.Option(callback=checks.read_file, help="Configuration of the search (YAML).")
    ],
    profile: Annotated[
        Path | None,
        typer.Option(callback=checks.read_any, help="Profile with which the search will run."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=3, help="Jobs at a time, as you will give snakemake."),
    ] = None,
    number: Annotated[
        int, typer.Option("-n", "--number", min=2, help="Number of candidates to evaluate.")
    ] = 12,
    json_: AsJson = False,
) -> None:
    """Evaluate a dozen random candidates here, and say what the search will cost.

    It prints seconds and memory of a trial, hours of the search, size of the
    feature cache, and what to write into the configuration and the profile.
    Nodes of a cluster may be faster or slower than this machine.
    """
    from dataclasses import asdict

    from hpconv.config import read_yaml
    from hpconv.datasets.data_file import DataFile
    from hpconv.pbs.profile import Profile
    from hpconv.pbs.recommendation import recommend
    from hpconv.search.forecast import forecast

    settings = read_yaml(configfile)
    used = Profile.read(profile) if profile else None
    with _data_file(settings) as data:
        costs, refusals = _measure(settings, data, number)
        with DataFile(data) as file:
            expected = forecast(settings, costs, refusals, len(file.images))
    advice = recommend(settings, expected, used, jobs, len(os.sched_getaffinity(0)))
    if json_:
        print(json.dumps({**asdict(expected), **asdict(advice)}, indent=2))
    else:
        _show(settings, expected)
        _show_advice(settings, expected, advice, configfile=configfile, profile=used)


@contextmanager
def _data_file(settings: "Config") -> Iterator[Path]:
    """The data file of the experiment, or a temporary one."""
    from tempfile import TemporaryDirectory

    from hpconv import datasets
    from hpconv.config import load
    from hpconv.experiments import RESULTS

    folder = RESULTS / settings.experiment
    config, written = folder / "config.json", folder / "data.h5"
    if config.exists() and written.exists() and load(config).data == settings.data:
        yield written
        return
    log.info("reading the images")
    with TemporaryDirectory(prefix="hpconv-") as temporary:
        datasets.write(settings.data, Path(temporary, "data.h5"))
        yield Path(temporary, "data.h5")


def _measure(settings: "Config", data: Path, number: int) -> tuple[list["TrialCost"], Counter[str]]:
    """Evaluate candidates with the threads of a worker; show the progress."""
    from hpconv.cli.progress import bar
    from hpconv.search.trial_costs import Candidates, measure

    os.environ |= dict.fromkeys(THREADS, str(settings.search.worker_threads))
    candidates, costs = Candidates(settings, data), []
    log.info("evaluating %d random candidates", number)
    with bar("candidates", number) as advance:
        for cost in measure(candidates, number):
            costs.append(cost)
            advance(1)
    return costs, candidates.refused


def _show(settings: "Config", expected: "Forecast") -> None:
    threads, search = settings.search.worker_threads, settings.search
    print(f"{expected.candidates} random candidates, {_count(threads, 'thread')} each")
    print(f"{'':14}{'median':>8}{'95 %':>8}")
    print(f"{'seconds':14}{expected.seconds.median:8.1f}{expected.seconds.high:8.1f}")
    print(f"{'memory, MiB':14}{expected.peak_mb.median:8.0f}{expected.peak_mb.high:8.0f}")
    if expected.refusals:
        what = "drawn again" if search.redraw else "failed trials of no time"
        share = f"{expected.refused:.0%}".replace("%", " %")
        print(f"refused before evaluation: {share}, {what} ({_kinds(expected.refusals)})")
    if expected.failures:
        print(f"failed: {_kinds(expected.failures)}")


def _show_advice(
    settings: "Config",
    expected: "Forecast",
    advice: "Recommendation",
    *,
    configfile: Path,
    profile: "Profile | None",
) -> None:
    from hpconv.features.cache.maintenance import readable
    from hpconv.status.render import duration

    trials, workers = settings.search.max_evals, advice.workers
    print(f"{trials} trials: {_hours(advice.hours)} with {_count(workers, 'worker')}", end="")
    each = {n: expected.worker_hours.value / n for n in (2 * workers, 4 * workers)}
    print("".join(f", {duration(3600 * hours)} with {n}" for n, hours in each.items()))
    if settings.search.rungs:
        print("with search.rungs less, as most trials are stopped before their end")
    print(f"feature cache of winners: {readable(expected.cache_bytes)}")
    memory, now = expected.trial_memory_mb, settings.search.trial_memory_mb
    print(f"\n{configfile}:\n  search: trial_memory_mb: {memory} is enough (now {now})")
    if profile is not None and profile.is_cluster:
        minutes, mem_mb = advice.worker_minutes, memory + settings.search.worker_memory_mb - now
        print(f"{profile.path}, set-resources:")
        print(f"  worker: runtime: {minutes} (now {profile.minutes('worker')})")
        print(f"  worker: mem_mb: {mem_mb}, which follows from trial_memory_mb")
    for warning in advice.warnings:
        print(f"warning: {warning}")
    option = "-j" if profile is not None and profile.is_cluster else "--cores"
    folder = profile.path.parent if profile else Path("profiles/local")
    print("\nstart the search with")
    print(f"  {search_command(configfile, folder, f'{option} {advice.jobs}')}")


def _hours(hours: "Estimate") -> str:
    """An estimate in words; the interval is of its mean, not of single searches."""
    from hpconv.status.render import duration

    value, low, high = (duration(3600 * each) for each in hours)
    return f"{value} ({low} to {high})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _kinds(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())
