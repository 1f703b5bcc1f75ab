"""The conda environments have the dependencies of pyproject.toml."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def requirements() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    split = [re.fullmatch(r"([a-z0-9-]+)(\S+)", entry) for entry in project["dependencies"]]
    return {match[1]: match[2] for match in split if match}


def packages(name: str) -> dict[str, str]:
    environment = yaml.safe_load((ROOT / "envs" / name).read_text())
    return dict(entry.split(maxsplit=1) for entry in environment["dependencies"])


def test_job_environment_has_every_dependency_but_snakemake() -> None:
    expected = {name: versions for name, versions in requirements().items() if name != "snakemake"}
    assert {k: v for k, v in packages("hpconv.yaml").items() if k != "python"} == expected


@pytest.mark.parametrize("name", ["psutil", "pymongo", "typer"])
def test_server_environment_has_the_same_versions(name: str) -> None:
    assert packages("mongodb.yaml")[name] == requirements()[name]


def test_launcher_needs_no_installation(tmp_path: Path) -> None:
    version = subprocess.run(
        [ROOT / "envs/bin/hpconv", "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert version.returncode == 0, version.stderr
    assert "Search convolutional feature extractors" in version.stdout
