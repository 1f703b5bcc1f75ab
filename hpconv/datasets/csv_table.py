"""CSV files with a header, whose mistakes are told with their line."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from hpconv.datasets.user_data import path_error
from hpconv.errors import UserError


@dataclass(frozen=True)
class Row:
    """A row's values, and the line of the file that it ends in."""

    path: Path
    line: int
    values: dict[str, str]

    def error(self, text: str) -> UserError:
        """The error that tells of a mistake in this row."""
        return path_error(self.path, text, self.line)

    def value_among(self, column: str, known: Sequence[str]) -> str:
        """The value of a column that has few.

        Raises:
            UserError: when it has another.
        """
        value = self.values[column]
        if value not in known:
            raise self.error(f"has {column} '{value}', it must be one of: {', '.join(known)}")
        return value


def read(path: Path, columns: Sequence[str], optional: str) -> list[Row]:
    """All rows of a table that has these columns, and maybe one more.

    Raises:
        UserError: when the header is another, a row is incomplete, or there is none.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(_rows(path, file, columns, optional))
    except (csv.Error, UnicodeDecodeError) as error:
        raise path_error(path, f"is not a CSV file in UTF-8: {error}") from error
    if not rows:
        raise path_error(path, "has no rows below its header")
    return rows


def _rows(path: Path, file: TextIO, columns: Sequence[str], optional: str) -> Iterator[Row]:
    reader = csv.reader(file, strict=True)
    header = [name.strip() for name in next(reader, [])]
    if sorted(header) not in (sorted(columns), sorted([*columns, optional])):
        raise path_error(
            path,
            f"is '{','.join(header)}', it must be a header with the columns "
            f"{', '.join(columns)} and maybe {optional}",
            line=1,
        )
    for fields in reader:
        if not fields:
            continue
        row = Row(path, reader.line_num, {})
        if len(fields) != len(header):
            raise row.error(f"has {len(fields)} values, the header has {len(header)}")
        row.values.update(zip(header, map(str.strip, fields), strict=True))
        for name, value in row.values.items():
            if not value:
                raise row.error(f"has no {name}")
        yield row
