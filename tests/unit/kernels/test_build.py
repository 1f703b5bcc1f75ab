"""Building, caching and loading the compiled kernels, and Numba without a compiler."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hpconv import kernels
from hpconv.kernels import library_cache

ROOT = Path(__file__).parents[3]
FILTERS = np.ones((5, 3, 2, 2), "float32")
BACKEND = "from hpconv import kernels; print(kernels.backend())"


def python(code: str, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-c", code]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    return subprocess.Popen(command, env=os.environ | environment, **options)


def total(_: int) -> float:
    ones = np.ones((4, 3, 9, 9), "float32")
    return float(kernels.run_steps(ones, [kernels.Fbcorr(FILTERS)]).sum())


def test_thread_count_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("PBS_NCPUS", "3")
    assert kernels.threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert kernels.threads() == 2


def test_kernels_work_after_a_fork() -> None:
    assert kernels.backend() == "c"
    expected = 4 * 5 * 8 * 8 * FILTERS[0].sum()
    assert total(0) == expected
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(total, range(4)).get(timeout=180) == [expected] * 4


def test_processes_may_build_at_once(tmp_path: Path) -> None:
    jobs = [python(BACKEND, XDG_CACHE_HOME=str(tmp_path)) for _ in range(4)]
    assert [job.communicate()[0].strip() for job in jobs] == ["c"] * 4
    assert len(list((tmp_path / "hpconv").iterdir())) == 1


@pytest.mark.parametrize("compiler", ["no-such-cc", "false"])
def test_without_a_working_compiler_numba_runs(compiler: str, tmp_path: Path) -> None:
    job = python(BACKEND, HPCONV_CC=compiler, XDG_CACHE_HOME=str(tmp_path))
    assert job.communicate()[0].strip() == "numba"


def test_numba_gives_the_reference_features() -> None:
    code = """
from hpconv import kernels
from tests.unit.features.test_extractor import CASES, test_features_equal_the_reference
test_features_equal_the_reference(CASES[0])
print(kernels.backend())
"""
    output, errors = python(code, HPCONV_CC="").communicate()
    assert output.strip() == "numba", errors


def backend(cache: Path) -> tuple[str, str]:
    """Backend and log of a new process with this cache folder."""
    output, log = python(BACKEND, XDG_CACHE_HOME=str(cache)).communicate(timeout=180)
    return output.strip(), log


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library in a cache of its own."""
    cache = tmp_path_factory.mktemp("cache")
    assert backend(cache)[0] == "c"
    (library,) = (cache / "hpconv").iterdir()
    return library


@pytest.fixture
def cached(library: Path, tmp_path: Path) -> Path:
    """The path of that library in another cache, whose folder is empty."""
    (tmp_path / "hpconv").mkdir()
    return tmp_path / "hpconv" / library.name


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[:5000], lambda content: content + b"x"],
    ids=["empty", "truncated", "changed"],
)
def test_a_damaged_library_is_rebuilt(
    damage: Callable[[bytes], bytes], library: Path, cached: Path
) -> None:
    content = library.read_bytes()
    cached.write_bytes(damage(content))
    assert backend(cached.parents[1])[0] == "c"
    assert cached.read_bytes() == content


def test_a_library_that_others_may_write_to_is_never_loaded(library: Path, cached: Path) -> None:
    source, marker = cached.with_name("hostile.c"), cached.with_name("marker")
    source.write_text(f"""
#include <stdio.h>
__attribute__((constructor)) static void run(void) {{ fclose(fopen("{marker}", "w")); }}
""")
    hostile = cached.with_name("hostile.so")
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(hostile)], check=True)
    key = library.name.split("-")[1]
    name = f"kernels-{key}-{sha256(hostile.read_bytes()).hexdigest()}.so"
    hostile = hostile.rename(cached.with_name(name))
    hostile.chmod(0o666)
    found, log = backend(cached.parents[1])
    assert (found, marker.exists()) == ("c", False)
    assert f"{hostile}: other users may write to it" in log
    hostile.chmod(0o600)  # the same file, trusted, would have run
    backend(cached.parents[1])
    assert marker.exists()


def test_links_and_pipes_are_not_read(library: Path, cached: Path) -> None:
    cached.symlink_to(library)
    os.mkfifo(cached.with_name(cached.name.replace(".so", "0.so")))
    found, log = backend(cached.parents[1])
    assert found == "c"
    assert log.count("ignoring the cached kernel library") == 2
    assert cached.read_bytes() == library.read_bytes()
    assert not cached.is_symlink()


@pytest.mark.parametrize(
    ("mode", "owner", "reason"),
    [
        (0o100644, os.getuid() + 1, "belongs to another user"),
        (0o100664, os.getuid(), "other users may write"),
        (0o100646, 0, "other users may write"),
        (0o010600, os.getuid(), "not a regular file"),
    ],
)
def test_files_of_others_are_not_trusted(mode: int, owner: int, reason: str) -> None:
    with pytest.raises(OSError, match=reason):
        library_cache.check_trusted(SimpleNamespace(st_mode=mode, st_uid=owner))


@pytest.mark.parametrize("owner", [0, os.getuid()])
def test_files_of_this_user_and_root_are_trusted(owner: int) -> None:
    library_cache.check_trusted(SimpleNamespace(st_mode=0o100755, st_uid=owner))


def test_without_a_usable_cache_kernels_are_compiled_for_the_process(tmp_path: Path) -> None:
    cache = tmp_path / "file"
    cache.touch()
    found, log = backend(cache)
    assert found == "c"
    assert "cannot be cached" in log


def test_the_cached_library_is_writable_for_its_owner_only(library: Path) -> None:
    assert library.stat().st_mode & 0o022 == 0
    assert library.parent.stat().st_mode & 0o077 == 0
