"""Pair lists of LFW, Labeled Faces in the Wild.

View 1, two parts, is for model selection; View 2, ten folds, is for the final evaluation
(http://vis-www.cs.umass.edu/lfw/README.txt).
"""

from dataclasses import dataclass
from pathlib import Path

from hpconv.datasets.archives import Archive
from hpconv.errors import UserError

FIGSHARE = "https://ndownloader.figshare.com/files"


@dataclass(frozen=True)
class PairList:
    """A file of pairs.

    Attributes:
        archive: the file.
        folds: names of its folds.
        pairs: number of pairs of the same person in a fold, and of different persons.
    """

    archive: Archive
    folds: tuple[str, ...]
    pairs: int


LISTS = (
    PairList(
        Archive(
            "pairsDevTrain.txt",
            f"{FIGSHARE}/5976012",
            "sha256:1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
        ),
        ("train",),
        1100,
    ),
    PairList(
        Archive(
            "pairsDevTest.txt",
            f"{FIGSHARE}/5976009",
            "sha256:7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
        ),
        ("validation",),
        500,
    ),
    PairList(
        Archive(
            "pairs.txt",
            f"{FIGSHARE}/5976006",
            "sha256:ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
        ),
        tuple("0123456789"),
        300,
    ),
)


@dataclass(frozen=True)
class Pair:
    """A pair of images.

    Attributes:
        left, right: paths in the folder of images.
        same: whether both show the same person.
        fold: its part or fold.
    """

    left: str
    right: str
    same: bool
    fold: str


def read(path: Path, expected: PairList) -> list[Pair]:
    """Read lines ``name n n`` or ``name n name n`` below a header ``folds pairs`` or ``pairs``.

    Raises:
        UserError: when the numbers of folds and pairs are not the published ones.
    """
    header, *lines = (line.split() for line in path.read_text().splitlines() if line.strip())
    sizes = [len(expected.folds), expected.pairs]
    if [1, *map(int, header)][-2:] != sizes or len(lines) != 2 * sizes[0] * sizes[1]:
        raise UserError(f"{path} does not have {sizes[0]} folds of 2 x {sizes[1]} pairs: delete it")
    return [
        _pair(line, expected.folds[number // (2 * expected.pairs)])
        for number, line in enumerate(lines)
    ]


def _pair(line: list[str], fold: str) -> Pair:
    left, first, *other, second = line
    right = other[0] if other else left
    return Pair(_image(left, first), _image(right, second), not other, fold)


def _image(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}.jpg"
