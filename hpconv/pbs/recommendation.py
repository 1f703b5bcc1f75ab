"""What to write into configuration and profile for a search, and what would go wrong."""

from dataclasses import dataclass
from math import ceil

from hpconv.config import Config
from hpconv.pbs.profile import Profile
from hpconv.search.forecast import Estimate, Forecast
from hpconv.worker.walltime import MARGIN

NIGHT_HOURS = 12.0  # in which a search should end, where nothing else limits the workers
MAX_WORKERS = 100
LOCAL_SLOTS = 2  # of server and driver; on a cluster they are one job
SHORT_MINUTES, LONG_MINUTES = 30, 240  # walltimes of workers: shorter ones lose time in the queue
TRIALS_A_JOB = 5  # of the long ones
WARN_SHARE = 0.05  # of candidates that a limit stops


@dataclass(frozen=True)
class Recommendation:
    """How to run a search.

    Attributes:
        workers: that evaluate trials at the same time.
        jobs: value of ``-j`` (cluster) or ``--cores`` (one machine).
        hours: until the last trial has ended.
        worker_minutes: walltime of a worker; used ones are submitted again.
        warnings: sentences, each with a key, the value found and what to write instead.
    """

    workers: int
    jobs: int
    hours: Estimate
    worker_minutes: int
    warnings: tuple[str, ...]


def recommend(
    settings: Config,
    expected: Forecast,
    profile: Profile | None,
    jobs: int | None,
    processors: int,
) -> Recommendation:
    """Recommend how to run a search.

    Args:
        jobs: value of ``-j`` or ``--cores``; None for that of the profile.
        processors: of this machine, which limit the workers unless they run on a cluster.
    """
    cluster, threads = profile is not None and profile.is_cluster, settings.search.worker_threads
    slots = jobs or (profile and profile.slots)
    if settings.search.workers is not None:
        workers = settings.search.workers
    elif slots:
        workers = max(1, slots - 1 if cluster else (slots - LOCAL_SLOTS) // threads)
    else:
        most = MAX_WORKERS if cluster else max(1, processors // threads)
        workers = min(most, ceil(expected.worker_hours.high / NIGHT_HOURS))
    hours = Estimate(*(hours / workers for hours in expected.worker_hours))
    return Recommendation(
        workers,
        max(3, workers + 1) if cluster else LOCAL_SLOTS + threads * workers,
        hours,
        _worker_minutes(expected, hours),
        (*_limits(settings, expected), *_walltimes(profile, expected, hours)),
    )


def _worker_minutes(expected: Forecast, hours: Estimate) -> int:
    """Long enough for the search, at most four hours unless a few long trials need more."""
    trials = (TRIALS_A_JOB * expected.seconds.high + MARGIN) / 60
    return ceil(max(SHORT_MINUTES, min(60 * hours.high, max(LONG_MINUTES, trials))))


def _limits(settings: Config, expected: Forecast) -> list[str]:
    """Limits of a trial that stop many candidates."""
    search, evaluated = settings.search, expected.candidates
    suggested = evaluated + sum(expected.refusals.values())
    memory = expected.refusals.get("out_of_memory", 0) + expected.failures.get("out_of_memory", 0)
    slow = expected.failures.get("too_slow", 0)
    found = []
    if memory > WARN_SHARE * suggested:
        found.append(
            f"search.trial_memory_mb is {search.trial_memory_mb}: {memory} of {suggested} "
            "candidates need more; write a larger value if nodes have the memory"
        )
    if slow > WARN_SHARE * evaluated:
        found.append(
            f"search.trial_seconds is {search.trial_seconds:g} and images_per_second "
            f"{search.images_per_second:g}: {slow} of {evaluated} candidates are too slow; change "
            "them if such candidates should be evaluated"
        )
    return found


def _walltimes(profile: Profile | None, expected: Forecast, hours: Estimate) -> list[str]:
    """Walltimes of the profile that are shorter than a trial or than the search."""
    if profile is None or not profile.is_cluster:
        return []
    found, minutes = [], {rule: profile.minutes(rule) for rule in ("worker", "driver")}
    trial = (expected.seconds.high + MARGIN) / 60
    if (worker := minutes["worker"]) is not None and worker < trial:
        found.append(
            f"runtime of rule worker is {worker} minutes in {profile.path}, but trials take up to "
            f"{trial:.0f}: workers would take none, write {ceil(TRIALS_A_JOB * trial)} or more"
        )
    for rule, walltime in minutes.items():
        if walltime is not None and walltime < 60 * hours.value:
            found.append(
                f"runtime of rule {rule} is {walltime} minutes in {profile.path}, the search takes "
                f"about {60 * hours.value:.0f}: the job is submitted again each time, which waits "
                f"in the queue; write {ceil(60 * hours.high)} if the queue allows it"
            )
    return found
