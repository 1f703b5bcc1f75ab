"""Our names of hyperopt's states."""

import hyperopt
from hyperopt import base

from hpconv import states


def test_states_are_those_of_hyperopt() -> None:
    ours = {name: value for name, value in vars(states).items() if name.isupper()}
    assert ours == {name: getattr(base, name, getattr(hyperopt, name, None)) for name in ours}
