"""What decides features, as a hash: who agrees in it shares an entry of the cache."""

import hashlib
from pathlib import Path

from hpconv.config import ModelSettings
from hpconv.model.pipeline import Pipeline

BLOCK_BYTES = 2**26  # of features that are computed, written and kept together
SOURCES = Path(__file__).parents[2]
# a module, or a package of modules; those that decide which images filters learn from, too
MODULES = (
    *("kernels", "model/filterbanks", "model/layers", "model/patches", "model/pipeline"),
    *("model/whitening", "engines", "datasets/protocols", "datasets/data_file"),
    *("datasets/image_rows", "features/extractor", "features/learning"),
)


def code_version() -> str:
    """A hash of the modules that compute features: changed ones make other entries."""
    sources = [path.read_bytes() for name in MODULES for path in _sources(SOURCES / name)]
    return hashlib.sha256(b"".join(sources)).hexdigest()


def _sources(module: Path) -> list[Path]:
    """The files of a module or package; a missing one is an error, or its changes go unnoticed."""
    files = [path for path in sorted(module.glob("*")) if path.suffix in (".py", ".c")]
    return files or [module.with_suffix(".py")]


def key(pipeline: Pipeline, images: str, model: ModelSettings) -> str:
    """The key of features.

    A described pipeline's stages hold all that hyperparameters and bounds say of features, and
    nothing of the classifier. The C and the Numba kernels share entries: they agree to 1e-6, as
    do two processors.

    Args:
        images: the checksum of the data file.
        model: its engine is cpu or gpu.
    """
    parts = [images, pipeline.stages, model.n_patches, model.n_unsupervised, model.engine]
    text = repr([*parts, BLOCK_BYTES, code_version()])
    return hashlib.sha256(text.encode()).hexdigest()[:20]
