"""``hpconv doctor`` tells what is there, and what to do about what is not."""

import os
import subprocess
import sys


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
