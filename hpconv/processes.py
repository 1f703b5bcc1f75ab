"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import socket

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel to end the calling process when its parent is gone (Linux only)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def owner_name() -> str:
    """Who works on a trial: ``host:pid``, and the scheduler's job where there is one."""
    job = os.environ.get("PBS_JOBID")
    return ":".join(filter(None, [socket.gethostname(), str(os.getpid()), job]))
