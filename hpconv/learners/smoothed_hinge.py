"""The published objective of a linear classifier, and its minimum by L-BFGS.

Classes are independent problems whose matrix products are shared: parameters are ``(K, P)``,
and each class has its own curvature and its own steps. P counts the weights of D features, a
bias, and the weights of an ensemble's members.
"""

from dataclasses import dataclass

import numpy as np

from hpconv.learners.feature_matrix import FeatureRows
from hpconv.learners.lbfgs import CURVATURE, TINY, History, Preconditioner, dot

MARGIN, SHARPNESS = 0.9, 10.0  # of the smoothed hinge loss
MAX_ITERATIONS = 300
PATIENCE, TOLERANCE = 10, 2e-4  # stop when so many iterations gain less than this share
STEP_TRIALS, STEP_ACCURACY = 12, 0.1  # a step's slope at its end, to that at its start
SAMPLE = 1000  # rows that the preconditioner is made of
LARGEST = 80  # exponent in float32


@dataclass(frozen=True)
class Problem:
    """Mean over examples of ``log1p(exp(10 (0.9 - m))) / 10``, plus ``ridge / 2 |p|^2``.

    Args:
        signs: ``(K, N)``, 1 for examples of a class and -1 for others.
        previous: scores ``(members, K, N)`` of an ensemble.
        ridge: what weighs the square of each parameter, ``(K, P)``.
    """

    rows: FeatureRows
    signs: np.ndarray
    previous: np.ndarray
    ridge: np.ndarray

    def margins(self, parameters: np.ndarray) -> np.ndarray:
        """Signed margins m ``(K, N)``, linear in the parameters."""
        width = self.rows.shape[1]
        scores = self.rows.scores(parameters[:, :width])
        scores += parameters[:, width, None]
        for alphas, member in zip(parameters[:, width + 1 :].T, self.previous, strict=True):
            scores += alphas[:, None] * member
        return np.multiply(scores, self.signs, out=scores)

    def losses(self, margins: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """The objective of each class, ``(K,)`` float64."""
        slack = SHARPNESS * (MARGIN - margins)
        loss = np.maximum(slack, 0) + np.log1p(np.exp(-np.abs(slack)))
        penalty = 0.5 * dot(self.ridge * parameters, parameters)
        return loss.mean(axis=1, dtype="float64") / SHARPNESS + penalty

    def gradient(self, margins: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """Of each class's objective in its parameters, ``(K, P)``."""
        slopes = -self.signs * _violation(margins) / np.float32(margins.shape[1])
        parts = [self.rows.sums(slopes), slopes.sum(axis=1, keepdims=True)]
        parts += [dot(member, slopes)[:, None] for member in self.previous]
        return np.concatenate(parts, axis=1) + self.ridge * parameters


def minimum(problem: Problem, start: np.ndarray) -> np.ndarray:
    """Parameters ``(K, P)`` of the least objective, float32."""
    parameters, margins = start, problem.margins(start)
    gradient = problem.gradient(margins, parameters)
    history = History(_preconditioner(problem))
    reached = [problem.losses(margins, parameters).sum()]
    for _ in range(MAX_ITERATIONS):
        direction = history.direction(gradient)
        along = problem.margins(direction)
        step = _steps(problem, margins, along, parameters, direction)[:, None]
        parameters, margins = parameters + step * direction, margins + step * along
        before, gradient = gradient, problem.gradient(margins, parameters)
        history.append(step * direction, gradient - before)
        reached.append(problem.losses(margins, parameters).sum())
        lately = reached[-1 - PATIENCE :]
        if len(lately) > PATIENCE and lately[0] - lately[-1] <= TOLERANCE * lately[-1]:
            break
    return parameters


def _steps(
    problem: Problem, margins: np.ndarray, along: np.ndarray,
    parameters: np.ndarray, direction: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """How far to go in each class's direction, ``(K,)``: nearly to the least objective.

    Newton's method, kept between points where the objective falls and where it rises. It
    needs no features: margins are linear in the step.
    """
    linear = dot(problem.ridge * parameters, direction)
    square = dot(problem.ridge * direction, direction)
    count = np.float32(margins.shape[1])
    enough = STEP_ACCURACY * np.abs(linear - dot(_violation(margins), along) / count)
    step = np.ones(len(margins), "float32")
    low, high = np.zeros_like(step), np.full_like(step, np.inf)
    for _ in range(STEP_TRIALS):
        violation = _violation(margins + step[:, None] * along)
        slope = linear + step * square - dot(violation, along) / count
        searching = np.abs(slope) > enough
        if not searching.any():
            break
        low, high = np.where(slope < 0, step, low), np.where(slope > 0, step, high)
        bend = square + SHARPNESS / count * dot(violation * (1 - violation) * along, along)
        newton = np.minimum(step - slope / (bend + TINY), 10 * step)
        middle = np.where(np.isinf(high), 2 * step, (low + high) / 2)
        better = np.where((newton > low) & (newton < high), newton, middle)
        step = np.where(searching, better, step)
    else:
        step = np.where(searching, low, step)
    return step


def _violation(margins: np.ndarray) -> np.ndarray:
    """How much an example counts against its margin, ``-dloss/dm`` in [0, 1]."""
    return 1 / (1 + np.exp(np.minimum(SHARPNESS * (margins - MARGIN), LARGEST)))


def _preconditioner(problem: Problem) -> Preconditioner:
    width = problem.rows.shape[1]
    squares = np.square(problem.previous).mean(axis=2).T
    others = np.concatenate([np.ones((len(problem.signs), 1), "float32"), squares], axis=1)
    return Preconditioner(
        problem.rows.sample(SAMPLE), problem.ridge[0, 0],
        CURVATURE * others + problem.ridge[:, width:],
    )  # fmt: skip
