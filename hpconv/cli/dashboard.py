"""``hpconv dashboard``: the report of a running search in the browser."""

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
            help="Port to listen on; by default the first free one from 8765.",
        ),
    ] = None,
) -> None:
    """Show a running search in the browser, on this machine only.

    The page is the report, updated while the search runs. To see it on another
    machine, run the printed ssh command there and open the URL. Ctrl-C ends the
    dashboard, not the search.
    """
    import socket
    from contextlib import suppress

    from hpconv import experiments
    from hpconv.report.dashboard import Dashboard

    folder = experiments.find_experiment(experiment, experiments.HISTORIES)
    with Dashboard(folder, port) as server, suppress(KeyboardInterrupt):
        number = server.server_port
        print(f"{folder} is at {server.url}")
        print("Users of this machine who know the URL can read the page, but change nothing.")
        forwarding = f"ssh -L {number}:127.0.0.1:{number} {socket.gethostname()}"
        print(f"On another machine, first run: {forwarding}")
        print("Ctrl-C ends the dashboard, not the search.", flush=True)
        server.serve_forever()
