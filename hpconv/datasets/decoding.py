"""How values and pages of files become images: new images must be read as those of the search."""

from dataclasses import dataclass

ValueRange = tuple[float, ...]  # the low and the high end


@dataclass(frozen=True)
class Decoding:
    """What a data file records of the images that it was made from.

    Attributes:
        value_range: values that became 0 and 255, of images with other than 8 bits; None if there
            were none, or all were floats in [0, 1].
        pages: whether each page of a TIFF file became a channel.
    """

    value_range: ValueRange | None = None
    pages: bool = False
