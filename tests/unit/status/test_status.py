"""``hpconv status``: reads the status of a search from its files."""

import json
import logging
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hpconv.cli.status import status
from hpconv.config import SearchSettings
from hpconv.errors import UserError
from hpconv.files import write_json
from hpconv.search.status_publisher import seconds_left
from hpconv.status.files import StatusFiles
from hpconv.status.progress import Pace, Progress
from hpconv.status.record import Status
from hpconv.status.render import duration, line, panel
from hpconv.status.snapshot import read
from hpconv.trials import evaluation_seconds
from hpconv.trials import read as read_trials
from tests.conftest import hpconv, mounted

STATUS: dict[str, Any] = {
    "experiment": "demo",
    "state": "searching",
    "reason": None,
    "trials": {
        **{"max": 120, "ok": 27, "stopped": 0, "failed": 6, "lost": 1, "running": 2, "queued": 1}
    },
    "failures": {"too_slow": 6, "lost": 1},
    "best": {"error": 0.0089, "tid": 20, "since": "2026-01-02T09:57:00+00:00"},
    "workers": [
        {"name": "node7:123:ab", "host": "node7", "tid": 35, "trial_seconds": 12.3},
        {"name": "node7:124:cd", "host": "node7", "tid": None, "trial_seconds": None},
        {"name": "node8:123:ef", "host": "node8", "tid": 34, "trial_seconds": 180.0},
    ],
    "trials_per_hour": 412.2,
    "eta_seconds": 720.0,
    "seconds": 1234.5,
    "started": "2026-01-02T09:00:00+00:00",
    "written": "2026-01-02T10:00:00+00:00",
    "redraws": 0,
    "seconds_spent": {"learn": 60.0, "extract": 80.0, "stopped": 19.0, "failed": 41.0},
}


def record(**changes: Any) -> Status:
    """The status above, with changes."""
    return Status.from_json(json.dumps(STATUS | changes))


def trial(tid: int, **result: Any) -> dict[str, Any]:
    """A trial of a history; each takes a minute, and ends as the next one begins."""
    times = {
        "book_time": f"2026-01-02 10:{tid:02}:00",
        "refresh_time": f"2026-01-02 10:{tid + 1:02}",
    }
    return {
        "tid": tid,
        "misc": {"tid": tid, "vals": {}},
        "owner": "a:1:b",
        "result": result,
        **times,
    }


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an experiment that has begun; it is the only one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/demo/logs").mkdir(parents=True)
    return Path("results/demo")


def publish(folder: Path, seconds: float = 0, **changes: Any) -> None:
    """Write a status as of so many seconds ago."""
    written = datetime.now(UTC) - timedelta(seconds=seconds)
    best = STATUS["best"] | {"since": (written - timedelta(minutes=3)).isoformat()}
    fresh = {"written": written.isoformat(), "best": best}
    write_json(folder / "live/status.json", STATUS | fresh | changes)


def test_status_lists_facts_and_workers(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(demo)
    status()
    text = capsys.readouterr().out
    assert text.startswith("demo: searching, 34/120 trials\n")
    facts = {row[:13].strip(): row[13:].strip() for row in text.splitlines()}
    assert facts["trials"] == "27 ok, 6 failed, 1 lost, 2 running, 1 queued"
    assert facts["best error"] == "0.89 % (trial 20, 3 min ago)"
    assert facts["speed"] == "412 trials/h, 12 min left"
    assert facts["time"] == "21 min of searching"
    assert facts["worker time"] == "3 min: 30 % learn, 40 % extract, 10 % stopped, 20 % failed"
    assert facts["failures"] == "6 too_slow, 1 lost"
    assert re.search(r"^node7  2        35 for \d+ s, 1 idle *$", text, re.MULTILINE)
    assert re.search(r"^node8  1        34 for 3 min *$", text, re.MULTILINE)


def test_status_line() -> None:
    assert line(record()) == (
        "34/120 trials: 27 ok, 6 failed, 1 lost, 2 running, 1 queued; best error 0.89 % (trial 20, "
        "3 min ago); 412 trials/h, 12 min left; 3 workers on node7 (2), node8 (1); 41 s lost to "
        "failures"
    )


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ("", "no worker"),
        ("a", "1 worker on a"),
        ("aabb", "4 workers on a, b (2 each)"),
        ("abcdef", "6 workers on 6 hosts"),
    ],
)
def test_status_line_names_at_most_four_hosts(hosts: str, words: str) -> None:
    workers = [{"name": host, "host": host, "tid": 1, "trial_seconds": 2} for host in hosts]
    assert f"; {words};" in line(record(workers=workers))


def test_bar_on_a_terminal_and_no_colours_in_a_file(
    demo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    publish(demo)
    status()
    plain = capsys.readouterr().out
    assert plain.isascii()
    assert "\x1b" not in plain
    console = Console(width=60, record=True, force_terminal=True)
    console.print(panel(record()))
    boxed = console.export_text()
    assert "━━━" in boxed
    assert all(len(row) == 60 for row in boxed.splitlines())


def test_status_is_silent_after_30_seconds_without_a_write(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seconds, state in ((5, "searching"), (40, "silent")):
        publish(demo, seconds)
        status(json_=True)
        found = json.loads(capsys.readouterr().out)
        assert found["state"] == state
        assert seconds <= found["age_seconds"] < seconds + 30
        assert found["trials"] == STATUS["trials"]
    status()
    assert re.search(r"written nothing for \d+ s: see logs/driver.log", capsys.readouterr().out)
    publish(demo, 86400, state="ended")
    found = read(demo)
    assert found is not None
    assert found.state == "ended"


def test_a_status_needs_no_server_and_no_password(demo: Path) -> None:
    publish(demo)
    (demo / "mongodb").mkdir()
    (demo / "mongodb/connection.json").touch(mode=0)
    assert read(demo)
    (demo / "mongodb/connection.json").unlink()
    assert read(demo)


def test_status_without_a_file_is_computed_from_the_trials(
    demo: Path,
) -> None:
    slow = {"kind": "too_slow", "reason": "stopped after 30 s"}
    lost = {"kind": "lost", "reason": "3 workers stopped responding during this trial"}
    history = [
        trial(0, status="ok", loss=0.2),
        trial(1, status="ok", loss=0.1),
        trial(2, status="fail", failure=slow, seconds={"total": 30.0}),
        trial(3, status="fail", failure=lost, seconds={}),
        trial(4, status="ok", loss=0.1),
    ]
    (demo / "trials.jsonl").write_text("".join(json.dumps(each) + "\n" for each in history))
    write_json(demo / "search.json", {"search": {"max_evals": 5}, "stopped": "it is enough"})
    recorded = read(demo)
    assert recorded is not None
    found = recorded.to_json()
    assert found["trials"] | {"max": 5, "ok": 3, "failed": 1, "lost": 1} == found["trials"]
    assert found["best"] == {"error": 0.1, "tid": 1, "since": "2026-01-02T10:02:00+00:00"}
    assert (found["state"], found["reason"]) == ("ended", "it is enough")
    assert (found["seconds"], found["seconds_spent"]) == (300, {"failed": 30 + 60})
    assert found["trials_per_hour"] == 60


def test_search_without_status_names_the_newest_log(demo: Path) -> None:
    (demo / "logs/data.log").touch()
    (demo / "logs/mongod.log").touch()
    os.utime(demo / "logs/data.log", (1, 1))
    with pytest.raises(UserError, match="has not begun: .* results/demo/logs/mongod.log"):
        status()


def test_invalid_status_file_is_refused_in_one_line(demo: Path) -> None:
    publish(demo, trials={"ok": "many"})
    with pytest.raises(UserError, match=r"live/status.json is not a status: trials.max: Field req"):
        read(demo)
    (demo / "live/status.json").write_text('{"half": ')
    with pytest.raises(UserError, match=r"^results/demo/live/status.json is not a status: "):
        read(demo)


def test_a_status_of_an_earlier_version_knows_no_redraws(demo: Path) -> None:
    publish(demo)
    values = json.loads((demo / "live/status.json").read_text())
    del values["redraws"]
    write_json(demo / "live/status.json", values)
    found = read(demo)
    assert found is not None
    assert found.redraws == 0


def test_redraws_are_counted_and_shown(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    for tid in range(3):
        one = trial(tid, status="ok", loss=0.1)
        one["misc"]["redrawn"] = tid
        progress.tell(one)  # type: ignore[arg-type]
    assert progress.redraws == 3
    publish(demo, redraws=3)
    status()
    assert re.search(r"^redraws +3 suggestions *$", capsys.readouterr().out, re.MULTILINE)


def test_trials_stopped_at_a_rung_are_counted_and_never_the_best(demo: Path) -> None:
    seconds = {"learn": 3.0, "extract": 9.0}
    history = [
        trial(0, status="ok", loss=0.2, seconds=seconds),
        trial(1, status="ok", loss=0.1, stopped_at=0.3, seconds=seconds),
    ]
    (demo / "trials.jsonl").write_text("".join(json.dumps(each) + "\n" for each in history))
    write_json(demo / "search.json", {"search": {"max_evals": 2}, "stopped": "it is enough"})
    found = read(demo)
    assert found is not None
    assert found.best is not None
    assert found.best.tid == 0
    assert (found.trials.ok, found.trials.stopped, found.trials.finished) == (1, 1, 2)
    assert found.seconds_spent == seconds | {"stopped": 12.0}
    assert line(found).startswith("2/2 trials: 1 ok, 1 stopped, 0 failed, ")


def test_watch_and_json_exclude_each_other(demo: Path) -> None:
    with pytest.raises(UserError, match="--watch and --json"):
        status(watch=True, json_=True)


def test_watching_ends_with_the_search(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(demo, state="ended", reason="120 trials have finished")
    status(watch=True)
    assert capsys.readouterr().out.endswith("; ended: 120 trials have finished\n")


def test_ctrl_c_ends_watching_cleanly(demo: Path) -> None:
    publish(demo)
    process = hpconv("status", "--experiment", demo, "--watch")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("34/120 trials")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=180)[1] == ""
    assert process.returncode == 0


def test_pace_is_measured_over_the_last_quarter_of_an_hour() -> None:
    pace = Pace()
    assert pace.per_hour(0, 0) is None
    assert pace.per_hour(600, 100) == 600
    assert pace.per_hour(1000, 100) == pytest.approx(360)
    assert pace.per_hour(1700, 200) == pytest.approx(100 / 1100 * 3600)  # since second 600
    assert Pace().per_hour(7200, 50) == 25, "a driver that continues knows it at once"


def test_time_left_depends_on_the_first_bound_reached() -> None:
    settings = SearchSettings(max_evals=120)
    assert seconds_left(settings, 20, 600, pace=100) == 3600
    timed = SearchSettings(max_evals=120, max_minutes=20)
    assert seconds_left(timed, 20, 600, pace=100) == 600
    assert seconds_left(timed, 0, 0, pace=None) == 1200
    assert seconds_left(settings, 0, 0, pace=None) is None


def test_evaluation_seconds_are_measured_or_derived_from_timestamps() -> None:
    assert evaluation_seconds(trial(1, seconds={"learn": 2.0, "extract": 1.5})) == 3.5
    assert evaluation_seconds(trial(1, status="new")) == 60


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (2e5, "2.3 days"),
    ],
)
def test_duration_format(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "disk", "64k")


def test_full_disk_logs_one_warning_and_loses_no_trial(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history = [trial(tid, status="ok", loss=0.1, note="x" * 6000) for tid in range(12)]
    folder = StatusFiles(small_disk / "live")
    with caplog.at_level(logging.WARNING):
        for each in history:
            folder.add([each])
            folder.write(record())
    assert [record.getMessage()[:21] for record in caplog.records] == ["no status is written,"]
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    folder.write(record())
    assert [each["tid"] for each in read_trials(small_disk / "live/trials.jsonl")] == list(
        range(12)
    )
    assert json.loads((small_disk / "live/status.json").read_text()) == STATUS


def test_replaced_driver_does_not_change_the_files_of_the_new_one(tmp_path: Path) -> None:
    first, second = StatusFiles(tmp_path), StatusFiles(tmp_path)
    for folder, tids in ((first, [0]), (second, [0, 1]), (first, [1])):
        folder.add([trial(tid, status="ok", loss=0.1) for tid in tids])
        folder.write(record())
    assert [each["tid"] for each in read_trials(tmp_path / "trials.jsonl")] == [0, 1]
