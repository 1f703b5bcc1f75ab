"""The choice of the engine, and refusals of a GPU that is not available."""

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


def test_auto_selects_an_available_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install_torch(monkeypatch, cuda="13.0", device=True)
    assert [engines.choose(setting) for setting in ("auto", "gpu", "cpu")] == ["gpu", "gpu", "cpu"]


def test_auto_selects_the_cpu_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    remove_torch(monkeypatch)
    assert engines.choose("auto") == engines.choose("cpu") == "cpu"


def test_auto_selects_the_cpu_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    install_torch(monkeypatch, cuda="13.0")
    assert engines.choose("auto") == "cpu"


def test_cpu_does_not_import_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(engines, "find_spec")
    assert engines.choose("cpu") == "cpu"


def test_gpu_without_torch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    remove_torch(monkeypatch)
    with pytest.raises(UserError, match=r"pip install 'hpconv\[gpu\]', or set 'model.engine: cpu'"):
        engines.choose("gpu")


def test_gpu_with_a_torch_without_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install_torch(monkeypatch)
    with pytest.raises(UserError, match=r"2\.13\.0 is built without CUDA.*'model.engine: cpu'"):
        engines.choose("gpu")


def test_gpu_without_a_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install_torch(monkeypatch, cuda="13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    found = r"finds no CUDA device \(CUDA_VISIBLE_DEVICES is '7'\).*'model.engine: cpu'"
    with pytest.raises(UserError, match=found):
        engines.choose("gpu")
