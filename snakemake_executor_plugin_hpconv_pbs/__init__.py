"""Where Snakemake looks for ``executor: hpconv-pbs``: a package of this name on the path."""

from hpconv.pbs.executor import Executor
from hpconv.pbs.settings import ExecutorSettings, common_settings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]
