"""``hpconv doctor``: checks this machine, or a cluster."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from hpconv.cli import checks
from hpconv.cli.options import AsJson
from hpconv.errors import EXIT_USER_ERROR


def doctor(
    mongod: Annotated[str | None, typer.Option(help="Path of the mongod to check.")] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            callback=checks.read_any,
            help="Profile of a cluster, which is checked with two test jobs.",
        ),
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="Leave out names and paths, to paste it into an issue.")
    ] = False,
    json_: AsJson = False,
) -> None:
    """Check the requirements of hpconv on this machine or a cluster, with advice.

    Exit status 1 if one is missing.
    """
    from hpconv import doctor
    from hpconv.pbs import doctor as cluster

    findings = []
    for each in doctor.examine(mongod) if profile is None else cluster.examine(profile):
        finding = each.anonymous() if share else each
        findings.append(finding)
        if json_:
            continue
        print(f"{finding.subject:10}{finding.found}")
        if finding.advice:
            print(f"{'':10}-> {finding.advice}")
    if json_:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    if any(finding.found == doctor.MISSING for finding in findings):
        sys.exit(EXIT_USER_ERROR)
