"""The cache key covers the source of every module that decides features."""

import pytest

from hpconv.features.cache import keys


def test_a_module_without_a_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MODULES", (*keys.MODULES, "model/renamed"))
    with pytest.raises(FileNotFoundError, match=r"renamed\.py"):
        keys.code_version()


def test_modules_that_select_images_and_learn_filters_are_covered() -> None:
    needed = {"datasets/protocols", "datasets/image_rows", "features/extractor"}
    needed |= {"features/learning", "model/patches", "model/whitening", "model/filterbanks"}
    assert needed <= set(keys.MODULES)


def test_a_changed_module_changes_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.code_version()
    monkeypatch.setattr(keys, "MODULES", keys.MODULES[:-1])
    assert keys.code_version() != before
