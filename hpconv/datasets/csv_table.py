"""Reads CSV files with a header; error messages name the line."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from hpconv.datasets.user_data import path_error
from hpconv.errors import UserError


@dataclass(frozen=True)
class Row:
    """A row of a CSV file.

    Attributes:
        path: of the file.
        line: the last line of the row, from 1.
        values: by column name, without surrounding spaces.
    """

    path: Path
    line: int
    values: dict[str, str]

    def error(self, text: str) -> UserError:
        """A UserError about this row; text follows the file and line."""
        return path_error(self.path, text, self.line)

    def value_among(self, column: str, allowed: Sequence[str]) -> str:
        """The value of a column.

        Raises:
            UserError: when it is not allowed.
        """
        value = self.values[column]
        if value not in allowed:
            raise self.error(f"has {column} '{value}', it must be one of: {', '.join(allowed)}")
        return value


def read(path: Path, columns: Sequence[str], optional: Sequence[str]) -> list[Row]:
    """All rows of a CSV file in UTF-8.

    Args:
        columns: required, in any order.
        optional: columns that may be missing.

    Raises:
        UserError: when the header differs, a value is missing, or there are no rows.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(_rows(path, file, columns, optional))
    except (csv.Error, UnicodeDecodeError) as error:
        raise path_error(path, f"is not a CSV file in UTF-8: {error}") from error
    if not rows:
        raise path_error(path, "has no rows below its header")
    return rows


def _rows(
    path: Path, file: TextIO, columns: Sequence[str], optional: Sequence[str]
) -> Iterator[Row]:
    reader = csv.reader(file, strict=True, skipinitialspace=True)
    header = [name.strip() for name in next(reader, [])]
    unique = set(header)
    if len(unique) < len(header) or not set(columns) <= unique <= {*columns, *optional}:
        raise path_error(
            path,
            f"is '{','.join(header)}', it must be a header with the columns "
            f"{', '.join(columns)} and optionally {', '.join(optional)}",
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
