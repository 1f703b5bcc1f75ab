"""The processes of a job: a session of their own."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

GRACE = 5.0
KILLS = 100


class Session:
    """A job's processes, from the start to the last one's end."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        environment: dict[str, str],
        outputs: tuple[Path, Path],
        umask: int,
        memory: int | None,
    ) -> None:
        streams = [_open(path, umask) for path in dict.fromkeys(outputs)]
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=streams[0],
            stderr=streams[-1],
            start_new_session=True,
            umask=umask,
            preexec_fn=_limit(memory) if memory else None,
        )
        for stream in streams:
            os.close(stream)
        self.id = self._process.pid
        self.used: resource.struct_rusage | None = None  # once it has ended
        self._terminated: float | None = None

    def terminate(self) -> None:
        """SIGTERM to all, and later SIGKILL to those that stay."""
        if self._terminated is None:
            self._terminated = time.monotonic()
            self.signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        for pid in self._members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """SIGKILL until nothing is left, even if it forks."""
        for _ in range(KILLS):
            if not self._members():
                break
            self.signal(signal.SIGKILL)
        self._process.wait()

    def ended(self) -> int | None:
        """The exit status as PBS writes it, once nothing of the job is left."""
        status = self._poll()
        if self._in_grace() and (status is None or self._members()):
            return None
        if self._terminated is not None or status is not None:
            self.signal(signal.SIGKILL)
            status = self._poll()
        return 256 - status if status is not None and status < 0 else status

    def _poll(self) -> int | None:
        if self._process.returncode is None:
            pid, status, used = os.wait4(self.id, os.WNOHANG)
            if pid:
                self._process.returncode, self.used = os.waitstatus_to_exitcode(status), used
        return self._process.returncode

    def _in_grace(self) -> bool:
        return self._terminated is not None and time.monotonic() - self._terminated < GRACE

    def _members(self) -> list[int]:
        pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [pid for pid in pids if _session(pid) == self.id]


def _session(pid: int) -> int | None:
    """The session of a process that lives; a zombie has nothing to signal."""
    try:
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(session)


def _open(path: Path, umask: int) -> int:
    before = os.umask(umask)
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    finally:
        os.umask(before)


def _limit(memory: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
