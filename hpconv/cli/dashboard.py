"""A search in the browser while it runs."""

from typing import Annotated

import typer

from hpconv.cli.options import ExperimentFolder


def dashboard(
    experiment: ExperimentFolder = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port to listen on; without it, the first that is free from 8765 on.",
        ),
    ] = None,
) -> None:
    """Show a search in the browser while it runs, to this machine only.

    The page is that of the report, and keeps up with the search by itself. To
    see it from another machine, run there the ssh command that is printed,
    then open the URL. Ctrl-C ends the dashboard, not the search.
    """
    import socket
    from contextlib import suppress

    from hpconv import experiments
    from hpconv.report.dashboard import Dashboard

    folder = experiments.find_experiment(experiment, experiments.HISTORIES)
    with Dashboard(folder, port) as server, suppress(KeyboardInterrupt):
        number = server.server_port
        print(f"{folder} is at {server.url}")
        print("Who has this URL and a login on this machine can look, and change nothing.")
        print(f"Elsewhere, first: ssh -L {number}:127.0.0.1:{number} {socket.gethostname()}")
        print("Ctrl-C ends the dashboard, not the search.", flush=True)
        server.serve_forever()
