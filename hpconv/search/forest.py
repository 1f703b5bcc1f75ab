"""A sampler that predicts with randomised trees which variation of a good trial to try next.

Sequential model-based search as in SMAC (Hutter, Hoos and Leyton-Brown, LION 2011), for a tree of
choices with a few hundred hyperparameters, few trials and many workers:

- Hyperparameters with the same role in different exits share a coordinate
  (``unit_space.Roles``): 238 become about 50, so that a trial informs all exits.
- Candidates are variations of the best trials (regularised evolution: Real et al., AAAI 2019) and
  draws from the prior. A variation that changes the exit keeps what both exits have.
- Extremely randomised trees (Geurts, Ernst and Wehenkel, Machine Learning 2006) predict the normal
  score of a trial's rank (Salinas et al., ICML 2020), so the scale of losses does not matter;
  failed trials rank last. The spread of the trees is the uncertainty in the expected improvement
  (Jones, Schonlau and Welch, 1998).
- Pending trials rank last as well, as in hyperopt: workers spread out.
- Seeds of filters are noise: they are drawn at random and not learned from.
"""

import math
from collections.abc import Iterable

import numpy as np
from hyperopt.base import Domain
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from hpconv.model.space_table import table
from hpconv.search.trees import Trees, fit
from hpconv.search.unit_space import Roles, UnitSpace
from hpconv.states import JOB_STATE_DONE, JOB_STATE_ERROR
from hpconv.trials import Assignment, Trial, hyperparameters

GOOD = 0.15  # share of trials that are varied (Watanabe, 2023)
VARIATIONS, DRAWS = 300, 200  # candidates per suggestion
RATE, WIDTH = 0.15, 0.2  # share of hyperparameters that a variation changes, and by how much
EXIT_RATE = 0.5  # probability that a variation changes the exit, the most informative choice
MAX_TRIALS = 400  # that are learned from: the best half and the latest half
INACTIVE = -0.5  # outside the unit coordinates
N_TREES = 20


class ForestSampler:
    """Suggests from the trials it was told; the same history and seed give the same suggestion."""

    def __init__(self, domain: Domain, startup_trials: int) -> None:
        self._space = UnitSpace(table(domain.expr))
        self._roles = Roles(self._space, domain.expr)
        self._startup_trials = startup_trials
        self._is_seed = np.array([name.endswith("seed") for name in self._roles.names])
        self._exit = self._roles.names.index("")  # the choice at the root of the space
        self._losses: dict[int, float] = {}  # by tid; infinite if failed or pending
        self._rows: dict[int, np.ndarray] = {}  # roles, by tid
        self._pending: set[int] = set()
        self._trees: Trees | None = None  # fitted to the trials told so far

    def tell(self, trials: Iterable[Trial]) -> None:
        """Add trials, or replace those with the same tid."""
        for trial in trials:
            tid, state = trial["tid"], trial["state"]
            self._pending.discard(tid)
            if state == JOB_STATE_ERROR:  # a programming error is not the candidate's fault
                self._losses.pop(tid, None)
                continue
            if state != JOB_STATE_DONE:
                self._pending.add(tid)
            loss = trial["result"].get("loss") if state == JOB_STATE_DONE else None
            self._losses[tid] = math.inf if loss is None or math.isnan(loss) else loss
            (self._rows[tid],) = self._roles.of_rows(self._space.row(hyperparameters(trial))[None])
        self._trees = None

    @property
    def source(self) -> str:
        """``random`` until ``startup_trials`` have ended, then ``forest``."""
        ended = len(self._losses) - len(self._pending)
        return "random" if ended < self._startup_trials else "forest"

    def suggest(self, tid: int, seed: int, refusals: int = 0) -> Assignment:
        """The active hyperparameters of the next trial: label to value, choices by index."""
        rng = np.random.default_rng(seed)
        if self.source == "random":
            return self._space.values(self._space.draw(1, rng)[0])
        known, losses = self._history()
        scores = _normal_scores(losses)
        if self._trees is None:
            self._trees = fit(self._features(known), scores, N_TREES, seed=0)
        good = np.argsort(scores, kind="stable")[: max(2, math.ceil(GOOD * len(scores)))]
        rows = self._roles.to_rows(self._candidates(known[good], rng))
        predicted = self._trees.predict(self._features(self._roles.of_rows(rows)))
        return self._space.values(rows[_expected_improvement(predicted, scores.min()).argmax()])

    def _history(self) -> tuple[np.ndarray, np.ndarray]:
        """Roles ``(n, n_roles)`` and losses ``(n,)`` by tid, of at most ``MAX_TRIALS`` trials."""
        tids = np.array(sorted(self._losses))
        losses = np.array([self._losses[tid] for tid in tids])
        if len(tids) > MAX_TRIALS:
            kept = np.zeros(len(tids), bool)
            kept[-MAX_TRIALS // 2 :] = True
            kept[np.argsort(losses, kind="stable")[: MAX_TRIALS // 2]] = True
            tids, losses = tids[kept], losses[kept]
        return np.array([self._rows[tid] for tid in tids]), losses

    def _candidates(self, parents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Complete roles of variations of the parents, and of draws from the prior."""
        base = parents[rng.integers(len(parents), size=VARIATIONS)]
        fresh = self._roles.draw(VARIATIONS + DRAWS, rng)
        change = rng.random(base.shape) < RATE
        change[:, self._exit] = rng.random(VARIATIONS) < EXIT_RATE
        moved = np.abs(base + rng.normal(0, WIDTH, base.shape))
        moved = np.clip(1 - np.abs(1 - moved), 0, 1)  # reflected at both ends
        redrawn = np.isnan(base) | self._is_seed | (change & (self._roles.n_options > 0))
        varied = np.where(redrawn, fresh[:VARIATIONS], np.where(change, moved, base))
        return np.concatenate([varied, fresh[VARIATIONS:]])

    def _features(self, roles: np.ndarray) -> np.ndarray:
        return np.nan_to_num(roles[:, ~self._is_seed], nan=INACTIVE).astype("float32")


def _normal_scores(losses: np.ndarray) -> np.ndarray:
    """Normal scores of ranks, lowest for the lowest loss; infinite losses get the highest."""
    infinite = np.isinf(losses)
    scores = ndtri((rankdata(losses) - 0.5) / len(losses))
    return np.where(infinite, scores[~infinite].max() if not infinite.all() else 0.0, scores)


def _expected_improvement(predicted: np.ndarray, best: float) -> np.ndarray:
    """Expected improvement ``(n,)`` over the best score, from predictions ``(n_trees, n)``."""
    mean, deviation = predicted.mean(axis=0), predicted.std(axis=0) + 1e-9
    distance = (best - mean) / deviation
    density = np.exp(-0.5 * distance**2) / math.sqrt(2 * math.pi)
    return deviation * (distance * ndtr(distance) + density)
