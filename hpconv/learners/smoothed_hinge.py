"""The published objective of a linear classifier, minimised by L-BFGS.

Classes are independent problems that share their matrix products: parameters are ``(K, P)``, and
each class has its own curvature and step sizes. P counts the weights of D features, a bias, and
the weights of an ensemble's members.
"""

from dataclasses import dataclass

import numpy as np

from hpconv.learners.feature_matrix import FeatureRows
from hpconv.learners.lbfgs import CURVATURE, LBFGS, TINY, Preconditioner, dot

MARGIN, SHARPNESS = 0.9, 10.0  # of the smoothed hinge loss
MAX_ITERATIONS = 300
PATIENCE, TOLERANCE = 10, 2e-4  # stop when this many iterations gain less than this share
STEP_TRIALS, STEP_ACCURACY = 12, 0.1  # trials of a step size; slope at its end relative to start
SAMPLE = (500, 1000)  # rows for the preconditioner: at least and at most, else a quarter
LARGEST = 40  # exponent; smaller slopes make subnormal products in float32, which are slow


@dataclass(frozen=True)
class Problem:
    """Mean over examples of ``log1p(exp(10 (0.9 - m))) / 10``, plus ``ridge / 2 |p|^2``.

    Attributes:
        rows: scaled features ``(N, D)``.
        signs: ``(K, N)``, 1 for examples of a class and -1 for others.
        member_scores: scores ``(members, K, N)`` of the ensemble that is extended.
        ridge: penalty factor of the square of each parameter, ``(K, P)``.
    """

    rows: FeatureRows
    signs: np.ndarray
    member_scores: np.ndarray
    ridge: np.ndarray

    def margins(self, parameters: np.ndarray) -> np.ndarray:
        """Signed margins m ``(K, N)``, linear in the parameters."""
        width = self.rows.shape[1]
        scores = self.rows.matmul(parameters[:, :width])
        scores += parameters[:, width, None]
        member_weights = parameters[:, width + 1 :].T
        for weights, member in zip(member_weights, self.member_scores, strict=True):
            scores += weights[:, None] * member
        return np.multiply(scores, self.signs, out=scores)

    def losses(self, margins: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """The objective of each class, ``(K,)`` float64."""
        slack = SHARPNESS * (MARGIN - margins)
        loss = np.maximum(slack, 0) + np.log1p(np.exp(-np.abs(slack)))
        penalty = 0.5 * dot(self.ridge * parameters, parameters)
        return loss.mean(axis=1, dtype="float64") / SHARPNESS + penalty

    def gradient(self, margins: np.ndarray, parameters: np.ndarray) -> np.ndarray:
        """Gradient of each class's objective in its parameters, ``(K, P)``."""
        slopes = -self.signs * _violation(margins) / np.float32(margins.shape[1])
        parts = [self.rows.rmatmul(slopes), slopes.sum(axis=1, keepdims=True)]
        parts += [dot(member, slopes)[:, None] for member in self.member_scores]
        return np.concatenate(parts, axis=1) + self.ridge * parameters


def minimise(problem: Problem, start: np.ndarray) -> np.ndarray:
    """Parameters ``(K, P)`` that minimise the objective, float32."""
    parameters, margins = start, problem.margins(start)
    gradient = problem.gradient(margins, parameters)
    lbfgs = LBFGS(_preconditioner(problem))
    losses = [problem.losses(margins, parameters).sum()]
    for _ in range(MAX_ITERATIONS):
        direction = lbfgs.direction(gradient)
        along = problem.margins(direction)
        step = _step_sizes(problem, margins, along, parameters, direction)[:, None]
        parameters, margins = parameters + step * direction, margins + step * along
        before, gradient = gradient, problem.gradient(margins, parameters)
        lbfgs.append(step * direction, gradient - before)
        losses.append(problem.losses(margins, parameters).sum())
        recent = losses[-1 - PATIENCE :]
        if len(recent) > PATIENCE and recent[0] - recent[-1] <= TOLERANCE * recent[-1]:
            break
    return parameters


def _step_sizes(
    problem: Problem, margins: np.ndarray, along: np.ndarray,
    parameters: np.ndarray, direction: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Step size of each class along its direction, ``(K,)``: nearly to the minimum.

    Newton's method, safeguarded by a bracket of the minimum. It reads no features: margins are
    linear in the step size.

    Args:
        along: change of the margins for a step size of 1, ``(K, N)``.
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
        curvature = square + SHARPNESS / count * dot(violation * (1 - violation) * along, along)
        newton = np.minimum(step - slope / (curvature + TINY), 10 * step)
        middle = np.where(np.isinf(high), 2 * step, (low + high) / 2)
        improved = np.where((newton > low) & (newton < high), newton, middle)
        step = np.where(searching, improved, step)
    else:
        step = np.where(searching, low, step)
    return step


def _violation(margins: np.ndarray) -> np.ndarray:
    """Negative derivative of the loss in the margin, ``-dloss/dm`` in [0, 1]."""
    return 1 / (1 + np.exp(np.minimum(SHARPNESS * (margins - MARGIN), LARGEST)))


def _preconditioner(problem: Problem) -> Preconditioner:
    width = problem.rows.shape[1]
    squares = np.square(problem.member_scores).mean(axis=2).T
    others = np.concatenate([np.ones((len(problem.signs), 1), "float32"), squares], axis=1)
    low, high = SAMPLE
    return Preconditioner(
        problem.rows.sample(min(max(low, problem.rows.shape[0] // 4), high)), problem.ridge[0, 0],
        CURVATURE * others + problem.ridge[:, width:],
    )  # fmt: skip
