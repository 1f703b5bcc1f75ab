"""The compiled kernels: built once by whoever comes first, done without where none can."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hpconv import kernels

ROOT = Path(__file__).parents[3]
FILTERS = np.ones((5, 3, 2, 2), "float32")


def python(code: str, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-c", code]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    return subprocess.Popen(command, env=os.environ | environment, **options)


def total(_: int) -> float:
    ones = np.ones((4, 3, 9, 9), "float32")
    return float(kernels.run_steps(ones, [kernels.Fbcorr(FILTERS)]).sum())


def test_threads_follow_the_batch_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("PBS_NCPUS", "3")
    assert kernels.threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert kernels.threads() == 2


def test_a_fork_after_use_computes_the_same() -> None:
    assert kernels.backend() == "c"
    expected = 4 * 5 * 8 * 8 * FILTERS[0].sum()
    assert total(0) == expected
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(total, range(4)).get(timeout=30) == [expected] * 4


def test_many_processes_may_build_at_once(tmp_path: Path) -> None:
    code = "from hpconv import kernels; print(kernels.backend())"
    jobs = [python(code, XDG_CACHE_HOME=str(tmp_path)) for _ in range(4)]
    assert [job.communicate()[0].strip() for job in jobs] == ["c"] * 4
    assert len(list((tmp_path / "hpconv").iterdir())) == 1


@pytest.mark.parametrize("compiler", ["no-such-cc", "false"])
def test_a_compiler_that_does_not_work_is_done_without(compiler: str, tmp_path: Path) -> None:
    code = "from hpconv import kernels; print(kernels.backend())"
    job = python(code, HPCONV_CC=compiler, XDG_CACHE_HOME=str(tmp_path))
    assert job.communicate()[0].strip() == "numba"


def test_a_pipeline_without_a_compiler_gives_the_reference_features() -> None:
    code = """
from hpconv import kernels
from tests.unit.features.test_extractor import CASES, test_features_equal_the_reference
test_features_equal_the_reference(CASES[0])
print(kernels.backend())
"""
    output, errors = python(code, HPCONV_CC="").communicate()
    assert output.strip() == "numba", errors
