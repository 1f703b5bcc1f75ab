"""Types of the configuration's values, and what all its sections share."""

from contextlib import suppress
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

RULES = ConfigDict(extra="forbid", ser_json_inf_nan="constants")

Share = Annotated[float, Field(gt=0, le=0.45)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Workers = Annotated[int, Field(ge=1, le=10_000)]
MAX_PIXELS = 4096  # side of a resized image
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # of numpy's and scikit-learn's generators
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=4, le=MAX_PIXELS)]
LayerSize = Annotated[int, Field(ge=17, le=10_000)]

RISING = "rising"  # a schema's key, for lists whose entries must rise


def _check_rising(shares: tuple[float, ...]) -> tuple[float, ...]:
    if list(shares) != sorted(set(shares)):
        raise PydanticCustomError("not_rising", "not rising")
    return shares


Rungs = Annotated[
    tuple[Annotated[float, Field(gt=0, lt=1)], ...],
    AfterValidator(_check_rising),
    Field(json_schema_extra={RISING: True}),
]

ValueRange = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], ...],
    AfterValidator(_check_rising),
    Field(min_length=2, max_length=2, json_schema_extra={RISING: True}),
]

Bands = Annotated[tuple[Annotated[int, Field(ge=0, le=63)], ...], Field(min_length=3, max_length=3)]

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


def _with_home(path: Path) -> Path:
    with suppress(RuntimeError):  # ~ and the name of no user
        return path.expanduser()
    return path


UserPath = Annotated[Path, AfterValidator(_with_home)]

Channels = Literal["auto", "gray", "rgb", "pages"]
Variant = Literal["more_filters", "flips"]  # of a winner in the final evaluation


@dataclass(frozen=True, config=RULES)
class Section:
    """A section of the configuration.

    Values may be text, as Snakemake passes those of ``--config 'section={key: value}'``.
    """

    @field_validator("*", mode="before")
    @classmethod
    def _read_text(cls, value: Any, info: ValidationInfo) -> Any:
        allowed = get_type_hints(cls)[str(info.field_name)]
        if value == "null" and NoneType in get_args(allowed):
            return None
        if isinstance(value, bool) and allowed is not bool:  # pydantic reads True as 1
            raise PydanticCustomError("unexpected_bool", "not a truth value")
        if isinstance(value, str) and (not value.isprintable() or set(value) & set("{}")):
            # Snakemake reads braces as wildcards
            raise PydanticCustomError("unusable_text", "braces, control or invalid characters")
        return value
