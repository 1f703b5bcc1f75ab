"""What qsub, qstat and qdel do on the submitting machine."""

import contextlib
import getopt
import getpass
import json
import os
import shlex
import socket
import sys
import time
from pathlib import Path
from typing import Any

import dialects
from dialect import Answer, Dialect
from faults import Faults


def main(command: str, arguments: list[str]) -> int:
    """Answer as the real command does."""
    folder, here = Path(os.environ["FAKE_PBS"]).absolute(), str(Path.cwd())
    with (folder / "calls.log").open("a") as log:
        log.write(f"{time.time():.3f} {command} {shlex.join(arguments)}\n")
    faults = Faults(folder).read()
    time.sleep(faults.get("slow", 0))
    dialect = dialects.dialect((folder / "dialect").read_text())
    answer = _version(folder, dialect) if arguments == ["--version"] else None
    answer = answer or _answer(folder, here, dialect, command, arguments, faults)
    out = answer.out[: len(answer.out) // 2] if _garbled(faults, command) else answer.out
    sys.stdout.write(out)
    sys.stderr.write(answer.err)
    return answer.rc


def _garbled(faults: dict[str, Any], command: str) -> bool:
    return command == "qstat" and bool(faults.get("garbled"))


def _version(folder: Path, dialect: Dialect) -> Answer | None:
    """The version, on the stream where the dialect prints it; Slurm's wrappers know none."""
    if dialect.version == Answer() or not (folder / "version").exists():
        return dialect.version if dialect.version != Answer() else None
    text = (folder / "version").read_text()
    return Answer(0, text) if dialect.version.out else Answer(0, "", text)


def _answer(
    folder: Path,
    here: str,
    dialect: Dialect,
    command: str,
    arguments: list[str],
    faults: dict[str, Any],
) -> Answer:
    try:
        flags, words = _parse(dialect, command, arguments)
        script = _script(words) if command == "qsub" else ""
    except getopt.GetoptError as error:
        reason = f"invalid option -- '{error.opt}'" if error.opt else error.msg
        return dialect.usage(command, reason)
    except OSError as error:
        return Answer(1, "", f"{command}: script file: {error.strerror}\n")
    request = {
        "command": command, "flags": flags, "words": words, "script": script, "folder": here,
        "arguments": shlex.join(arguments), "environment": dict(os.environ),
        "user": getpass.getuser(),
    }  # fmt: skip
    with contextlib.suppress(OSError, ValueError):
        if not faults.get("down"):
            return Answer(*_ask(folder, request))
    return dialect.down(command, flags, words)


def _parse(
    dialect: Dialect, command: str, arguments: list[str]
) -> tuple[dict[str, str], list[str]]:
    read = getopt.getopt if command == "qsub" else getopt.gnu_getopt
    options, words = read(arguments, dialect.options[command])
    flags: dict[str, str] = {}
    for option, value in options:
        letter = option.strip("-")
        merged = letter == "W" or (letter == "l" and dialect.repeats_resources)
        flags[letter] = f"{flags[letter]},{value}" if merged and letter in flags else value
    if command == "qsub":
        _check(dialect, flags)
    if command == "qdel" and not words:
        raise getopt.GetoptError("no job ids")
    return flags, words


def _check(dialect: Dialect, flags: dict[str, str]) -> None:
    if not set(flags.get("k", "")) <= set(dialect.keeps):
        raise getopt.GetoptError("illegal -k value")
    if len(flags.get("N", "")) > dialect.longest_name:
        raise getopt.GetoptError("illegal -N value")


def _script(words: list[str]) -> str:
    return Path(words[0]).read_text() if words else sys.stdin.read()


def _ask(folder: Path, request: dict[str, Any]) -> list[Any]:
    """Send a request; the folder's path may be too long for a socket's name."""
    os.chdir(folder)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("socket")
        connection.sendall(json.dumps(request).encode())
        connection.shutdown(socket.SHUT_WR)
        answer: list[Any] = json.load(connection.makefile())
        return answer
