"""What our TPE takes from hyperopt, some of it by private names.

hyperopt is pinned to one version for these names; another one must be seen to suggest the same
(``tests/unit/search/test_tpe.py``).

Raises:
    UserError: when the installed hyperopt lacks one of them.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from hyperopt import tpe
from hyperopt.pyll import scope

from hpconv.errors import UserError

PINNED = "0.3.0"

try:
    PRIOR_WEIGHT: float = tpe._default_prior_weight
    GAMMA: float = tpe._default_gamma
    N_CANDIDATES: int = tpe._default_n_EI_candidates
    MAX_BELOW: int = tpe.DEFAULT_LF
    SCOPE_IMPLEMENTATIONS: dict[str, Callable[..., Any]] = scope._impls
    build_posterior: Callable[..., Any] = tpe.build_posterior_wrapper
    GMM1_lpdf, LGMM1_lpdf = tpe.GMM1_lpdf, tpe.LGMM1_lpdf
    normal_cdf, lognormal_cdf = tpe.normal_cdf, tpe.lognormal_cdf
except AttributeError as missing:
    raise UserError(
        f"hyperopt {version('hyperopt')} does not fit ({missing}): "
        f"run pip install 'hyperopt=={PINNED}'"
    ) from None
