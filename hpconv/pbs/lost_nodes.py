"""Nodes on which jobs of this run were lost, and which further jobs had better avoid."""

from collections import Counter
from typing import Any

from hpconv.pbs.dialects import Dialect

LOSSES = 2  # jobs lost on a node until it is avoided

Logger = Any  # Snakemake's


class LostNodes:
    """Counts lost jobs; a node that lost two is avoided if the dialect has a means for that."""

    def __init__(self, dialect: Dialect, logger: Logger) -> None:
        self._dialect, self._logger = dialect, logger
        self._losses: Counter[str] = Counter()

    def add(self, host: str) -> None:
        """Count a lost job; at the second one a message names the node."""
        self._losses[host] += 1
        if not host or self._losses[host] != LOSSES:
            return
        means = (
            "further jobs of this run avoid it"
            if self._dialect.exclude
            else f"{self._dialect.name} cannot be told to avoid a node, so ask your administrator "
            "to take it offline"
        )
        self._logger.warning(f"{LOSSES} jobs were lost on node {host}: {means}")

    def directive(self) -> str:
        """The line of a job script that keeps the job off these nodes; empty if there is none."""
        hosts = [host for host, losses in self._losses.items() if host and losses >= LOSSES]
        return self._dialect.exclude.format(",".join(hosts)) if hosts else ""
