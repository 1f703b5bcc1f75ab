"""The gpu engine is taken where it can run, and a setting that cannot be met is refused."""

import sys
from types import SimpleNamespace

import pytest

from hpconv import engines
from hpconv.errors import UserError


def install_torch(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None = None, *, device: bool = False
) -> None:
    torch = SimpleNamespace(
        __version__="2.13.0",
        version=SimpleNamespace(cuda=cuda),
        cuda=SimpleNamespace(is_available=lambda: device),
    )
    monkeypatch.setattr(engines, "find_spec", lambda name: name == "torch" or None)
    monkeypatch.setitem(sys.modules, "torch", torch)


def remove_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "torch", None)  # an import would raise


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install_torch(monkeypatch, cuda="13.0", device=True)
    assert [engines.choose(setting) for setting in ("auto", "gpu", "cpu")] == ["gpu", "gpu", "cpu"]


def test_without_torch_auto_means_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    remove_torch(monkeypatch)
    assert engines.choose("auto") == engines.choose("cpu") == "cpu"


def test_without_a_device_auto_means_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install_torch(monkeypatch, cuda="13.0")
    assert engines.choose("auto") == "cpu"


def test_the_cpu_is_chosen_without_a_look_at_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(engines, "find_spec")
    assert engines.choose("cpu") == "cpu"


def test_gpu_without_torch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    remove_torch(monkeypatch)
    with pytest.raises(UserError, match=r"pip install 'hpconv\[gpu\]', or set 'model.engine: cpu'"):
        engines.choose("gpu")


def test_gpu_with_a_torch_that_has_no_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install_torch(monkeypatch)
    with pytest.raises(UserError, match=r"2\.13\.0 is built without CUDA.*'model.engine: cpu'"):
        engines.choose("gpu")


def test_gpu_without_a_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install_torch(monkeypatch, cuda="13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    found = r"finds no CUDA device \(CUDA_VISIBLE_DEVICES is '7'\).*'model.engine: cpu'"
    with pytest.raises(UserError, match=found):
        engines.choose("gpu")
