"""hyperopt's side of benchmarks.search: it runs on pymongo 3, on which hpconv does not."""

import os
import sys
import time

import cloudpickle
import numpy as np
from hyperopt import fmin, hp, tpe
from hyperopt.base import JOB_STATE_DONE
from hyperopt.mongoexp import MongoJobs, MongoTrials, main_worker

WORKERS, SECONDS, TRIALS = 8, 2.0, 80
SPACE = {f"x{i}": hp.uniform(f"x{i}", 0, 1) for i in range(10)}


def nap(x: dict[str, float]) -> float:
    """The objective."""
    time.sleep(SECONDS)
    return x["x0"]


cloudpickle.register_pickle_by_value(sys.modules[nap.__module__])


def drive(queue: str, name: str) -> None:
    """hyperopt's driver; its queue holds as many trials as hpconv's."""
    fmin(
        nap,
        SPACE,
        algo=tpe.suggest,
        max_evals=TRIALS,
        trials=MongoTrials(queue, exp_key=name),
        rstate=np.random.default_rng(1),
        max_queue_len=WORKERS + WORKERS // 2,
        show_progressbar=False,
    )


def work(queue: str, name: str) -> None:
    """hyperopt-mongo-worker, evaluating in its own process: its fastest way."""
    sys.argv = ["hyperopt-mongo-worker", "--mongo", queue, "--exp-key", name]
    sys.argv += ["--no-subprocesses", "--poll-interval", "1.1"]
    main_worker()


def noops(queue: str, name: str) -> None:
    """Take and finish trials that do nothing, until there are none."""
    jobs = MongoJobs.new_from_connection_str(queue)
    while (trial := jobs.reserve(f"noop:{os.getpid()}", exp_key=name)) is not None:
        jobs.update(trial, {"result": {"status": "ok", "loss": 0.0}})
        jobs.update(trial, {"state": JOB_STATE_DONE})


if __name__ == "__main__":
    verb, *place = sys.argv[1:]
    {"drive": drive, "work": work, "noops": noops}[verb](*place)
