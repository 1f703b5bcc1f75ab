"""Signals that a process handles although its parent ignored them, and polling."""

import signal
import subprocess
import sys

from hpconv.processes import poll_until, shell_status

CODE = """
import signal, sys, time
from hpconv.processes import exit_on_signals
exit_on_signals(signal.SIGINT, signal.SIGHUP)
print("ready", flush=True)
time.sleep(60)
"""


def ignore_signals() -> None:
    """As a shell does for jobs in the background (SIGINT), and nohup (SIGHUP)."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def test_sigint_is_handled_and_nohup_respected() -> None:
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=ignore_signals
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        assert not poll_until(lambda: process.poll() is not None, 0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == shell_status(signal.SIGINT)


def test_poll_until_returns_the_last_result() -> None:
    results = iter([0, None, "done"])
    assert poll_until(lambda: next(results), 10, pause=0) == "done"
    assert poll_until(lambda: 0, 0) == 0
