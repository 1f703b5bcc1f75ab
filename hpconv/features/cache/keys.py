"""Cache keys: hashes of everything that determines features; equal keys share an entry."""

import hashlib
from pathlib import Path

from hpconv import __version__
from hpconv.config import ModelSettings
from hpconv.model.pipeline import Pipeline

BLOCK_BYTES = 2**26  # of the features in one file
SOURCES = Path(__file__).parents[2]
# modules and packages; also those that select the images from which filters are learned
MODULES = (
    *("kernels", "model/filterbanks", "model/layers", "model/patches", "model/pipeline"),
    *("model/whitening", "engines", "datasets/protocols", "datasets/data_file"),
    *("datasets/image_rows", "features/extractor", "features/learning"),
)


def version() -> str:
    """The version of hpconv, and the beginning of ``code_version``."""
    return f"{__version__} (features {code_version()[:8]})"


def code_version() -> str:
    """Hash of the source code that computes features; a change leads to new entries."""
    sources = [path.read_bytes() for name in MODULES for path in _sources(SOURCES / name)]
    return hashlib.sha256(b"".join(sources)).hexdigest()


def _sources(module: Path) -> list[Path]:
    """The files of a module or package; reading a missing one raises FileNotFoundError."""
    files = [path for path in sorted(module.glob("*")) if path.suffix in (".py", ".c")]
    return files or [module.with_suffix(".py")]


def key(pipeline: Pipeline, images: str, model: ModelSettings, mirrored: bool = False) -> str:
    """The key of the features of a pipeline.

    The stages of a described pipeline contain all hyperparameters and bounds that affect features,
    and none of the classifier. The C and the Numba kernels share entries, because they agree to
    1e-6, as different processors do.

    Args:
        images: checksum of the data file.
        model: with engine cpu or gpu, not auto.
        mirrored: whether the features are those of the mirror images.
    """
    parts = [images, pipeline.stages, model.n_patches, model.n_unsupervised, model.engine]
    text = repr([*parts, mirrored, BLOCK_BYTES, code_version()])
    return hashlib.sha256(text.encode()).hexdigest()[:20]
