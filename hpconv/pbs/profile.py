"""What a Snakemake profile says of job slots and walltimes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from hpconv.errors import UserError


@dataclass(frozen=True)
class Profile:
    """A profile of the workflow.

    Attributes:
        path: of its file.
        settings: keys of the file.
    """

    path: Path
    settings: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The profile in a folder.

        Raises:
            UserError: if it has no file of keys.
        """
        path = folder / "config.yaml"
        try:
            settings = yaml.safe_load(path.read_text()) or {}
        except FileNotFoundError:
            raise UserError(
                f"--profile is '{folder}', which has no config.yaml: try profiles/pbs"
            ) from None
        except yaml.YAMLError as error:
            raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(settings, dict):
            raise UserError(f"{path} has no keys: write them as in profiles/pbs/config.yaml")
        return cls(path, settings)

    @property
    def is_cluster(self) -> bool:
        """Whether an executor submits jobs."""
        return "executor" in self.settings

    @property
    def slots(self) -> int | None:
        """Jobs at a time on a cluster, else cores; None if the profile does not limit them."""
        found = self.settings.get("jobs" if self.is_cluster else "cores")
        return found if isinstance(found, int) else None

    def minutes(self, rule: str) -> int | None:
        """The walltime of a rule's jobs; None if the profile does not give a number."""
        default = self.settings.get("default-resources", {}).get("runtime")
        found = self.settings.get("set-resources", {}).get(rule, {}).get("runtime", default)
        return found if isinstance(found, int) else None
