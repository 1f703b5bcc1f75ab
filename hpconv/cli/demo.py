"""``hpconv demo``: runs the demo in the current folder."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hpconv.errors import UserError

REPORT = Path("results/demo/report.html")


def demo(
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="SNAKEMAKE_OPTIONS", help="Options for Snakemake, such as -n."),
    ] = None,
) -> None:
    """Run the workflow on handwritten digits in this folder, in a few minutes.

    Ctrl-C stops it, the same command continues. The exit status is Snakemake's.
    """
    import hpconv

    checkout = Path(hpconv.__file__).parents[1]
    if not (checkout / "Snakefile").exists():
        raise UserError(
            "hpconv is installed without its workflow: clone its repository, run "
            "'pip install --editable .' there, and then 'hpconv demo' in any folder"
        )
    print(f"hpconv: the report will be {REPORT.absolute()}", file=sys.stderr, flush=True)
    programs = Path(sys.executable).parent  # where rules find hpconv, also if not on PATH
    paths = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    os.execve(sys.executable, _command(checkout, options or []), os.environ | {"PATH": paths})


def _command(checkout: Path, options: list[str]) -> list[str]:
    paths = {
        "--snakefile": checkout / "Snakefile",
        "--profile": checkout / "profiles/local",
        "--configfile": checkout / "config/demo.yaml",
        "--directory": Path.cwd(),
    }
    arguments = [str(part) for pair in paths.items() for part in pair]
    return [sys.executable, "-m", "snakemake", *arguments, *options]
