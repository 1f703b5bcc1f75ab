"""What decides features, as a hash: who agrees in it shares an entry of the cache."""

import hashlib
from pathlib import Path

from hpconv.candidate import ModelSettings, Pipeline

BLOCK_BYTES = 2**26  # of features that are computed, written and kept together
SOURCES = Path(__file__).parents[1]
MODULES = (
    *("ops", "operators", "kernels", "filterbanks"),
    *("layers", "candidate", "pipeline", "engines"),
)


def code_version() -> str:
    """A hash of the modules that compute features: changed ones make other entries."""
    paths: list[Path] = []
    for name in MODULES:
        paths += [*SOURCES.glob(f"{name}.py"), *sorted(SOURCES.glob(f"{name}/*.[pc]*"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


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
