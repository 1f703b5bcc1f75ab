"""Atomic writes: complete, private from the first byte, and never through a link."""

import os
import stat
from pathlib import Path

import pytest

from hpconv import files
from hpconv.files import replacing, write_atomically


def test_content_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, "old")
    write_atomically(path, b"new", durable=True)
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_failed_block_keeps_the_old_file(tmp_path: Path) -> None:
    (path := tmp_path / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as unfinished:
        unfinished.write_text(str(1 / 0))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_mode_holds_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    fsync = os.fsync

    def record_mode(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record_mode)
    path = tmp_path / "file"
    path.touch(mode=0o666)
    write_atomically(path, "secret", mode=0o600, durable=True)
    assert [*modes, stat.S_IMODE(path.stat().st_mode)] == [0o600, 0o600]


def test_private_names_are_unique_and_name_the_writer(tmp_path: Path) -> None:
    names = {files.private_name(tmp_path / "file").name for _ in range(100)}
    assert len(names) == 100
    writer = f".file.{os.uname().nodename}.{os.getpid()}."
    assert all(name.startswith(writer) for name in names)


@pytest.mark.parametrize("link", [True, False])
def test_file_made_beforehand_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    guessed, victim = tmp_path / ".guessed", tmp_path / "victim"
    victim.write_text("kept")
    guessed.symlink_to(victim) if link else guessed.hardlink_to(victim)
    monkeypatch.setattr(files, "private_name", lambda path: guessed)
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "file", "secret", mode=0o600)
    assert victim.read_text() == "kept"
    assert not (tmp_path / "file").exists()


def test_link_in_place_of_the_file_is_replaced(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_text("kept")
    path.symlink_to(victim)
    write_atomically(path, "new")
    assert (victim.read_text(), path.read_text()) == ("kept", "new")
    assert not path.is_symlink()
