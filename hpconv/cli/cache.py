"""``hpconv cache``: lists, checks and prunes the feature cache."""

import json
import sys
from typing import Annotated

import typer

from hpconv.cli.examples import epilog
from hpconv.cli.options import AsJson, Cache
from hpconv.errors import EXIT_USER_ERROR
from hpconv.experiments import CACHE

app = typer.Typer(help="List, check and prune the feature cache.", no_args_is_help=True)


@app.command(epilog=epilog("cache ls"))
def ls(
    cache: Cache = CACHE,
    json_: AsJson = False,
) -> None:
    """List the entries with size, time of last use and the trial that created them."""
    from hpconv.features.cache import maintenance

    rows = [maintenance.summary(entry) for entry in maintenance.existing(cache)]
    if json_:
        print(json.dumps(rows, indent=2))
        return
    line = "{:20}  {:>7}  {:>10}  {:>9}  {:8}  {:25}  {}"
    print(line.format("key", "images", "shape", "size", "complete", "last used", "trial"))
    for row in rows:
        known = row["tid"] is not None
        trial = f"{row['experiment'] or ''} {row['tid']}".strip() if known else "unknown"
        shape, size = "x".join(map(str, row["shape"])), maintenance.readable(row["bytes"])
        complete = "yes" if row["complete"] else "no"
        print(
            line.format(row["key"], row["images"], shape, size, complete, row["last_used"], trial)
        )
    print(f"{maintenance.readable(sum(row['bytes'] for row in rows))} in {len(rows)} entries")


@app.command(epilog=epilog("cache verify"))
def verify(cache: Cache = CACHE) -> None:
    """Read all files of the cache and check them; exit status 1 if one is damaged."""
    from hpconv.features.cache import maintenance

    files = list(maintenance.verify(cache))
    damaged = [path for path, intact in files if not intact]
    for path in damaged:
        what = "damaged: delete it, and" if path.exists() else "missing:"
        print(f"{path} is {what} the next extraction computes it again")
    print(f"{len(files) - len(damaged)} of {len(files)} files are intact")
    if damaged:
        sys.exit(EXIT_USER_ERROR)


@app.command(epilog=epilog("cache prune"))
def prune(
    keep: Annotated[str, typer.Option(metavar="SIZE", help="Size to keep, such as 50GB.")],
    cache: Cache = CACHE,
) -> None:
    """Remove the least recently used entries until the rest fits; keep those being written."""
    from hpconv.features.cache import maintenance

    freed = 0
    for entry, size in maintenance.prune(cache, maintenance.parse_size(keep)):
        print(f"removed {entry.key}: {maintenance.readable(size)}")
        freed += size
    left = sum(entry.bytes() for entry in maintenance.existing(cache))
    print(f"freed {maintenance.readable(freed)}; {maintenance.readable(left)} are left")
