"""Export of all trials for other tools; the suffix of the file selects the format."""

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hpconv import experiments, trials
from hpconv.errors import UserError
from hpconv.evaluation.records import winner_test_errors
from hpconv.files import replacing
from hpconv.trials import COLUMNS, Trial, as_utc, hyperparameters, table_row

PACKAGES = {".db": "optuna", ".csv": None, ".parquet": "pyarrow"}  # required for each suffix


def require(path: Path) -> None:
    """Check that trials can be written to a file.

    Raises:
        UserError: when the suffix is unknown, its package is missing, or the file exists and is
            not an earlier export.
    """
    if path.suffix not in PACKAGES:
        raise UserError(f"--trials is '{path}': write a name that ends in {', '.join(PACKAGES)}")
    package = PACKAGES[path.suffix]
    if package and find_spec(package) is None:
        raise UserError(f"--trials {path} needs {package}: run pip install 'hpconv[trials]'")
    if path.exists() and not _is_ours(path):
        raise UserError(
            f"--trials is '{path}', which exists and was not written by hpconv export: "
            "write another name, or move that file"
        )


def write(folder: Path, path: Path) -> int:
    """Write the finished trials of an experiment, also during the search.

    Args:
        folder: of the experiment, ``results/<experiment>``.
        path: one that ``require`` accepts; an earlier export is replaced.

    Returns:
        the number of trials.

    Raises:
        UserError: when there are none.
    """
    history = trials.read_summaries(experiments.history(folder))
    if path.suffix == ".csv":
        trials.write_csv(history, path)
        return len(history)
    with replacing(path) as unfinished:
        if path.suffix == ".parquet":
            _write_parquet(history, unfinished)
        else:
            from hpconv.export import optuna_study

            optuna_study.write(
                history, folder.resolve().name, winner_test_errors(folder), unfinished
            )
    return len(history)


def _write_parquet(history: list[Trial], path: Path) -> None:
    """Write the columns of trials.csv; inactive hyperparameters are null."""
    import pyarrow as pa
    from pyarrow import parquet

    rows: list[dict[str, Any]] = [
        {**table_row(trial), **hyperparameters(trial)} for trial in history
    ]
    for row in rows:
        row["finished"] = as_utc(row["finished"])
    labels = sorted({label for row in rows for label in row} - set(COLUMNS))
    columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in COLUMNS}
    columns = {name: pa.array(values, _column_type(name, pa)) for name, values in columns.items()}
    columns |= {label: [row.get(label) for row in rows] for label in labels}
    parquet.write_table(pa.table(columns), path)


def _column_type(name: str, pa: Any) -> Any:
    """The type of a column, which cannot be inferred from a column without values."""
    if name in ("tid", "continues"):
        return pa.int64()
    if name in ("loss", "own_error", "ensemble_error", "stopped_at", "seconds"):
        return pa.float64()
    return pa.timestamp("us", tz="UTC") if name == "finished" else pa.string()


def _is_ours(path: Path) -> bool:
    """Whether a file is an earlier export, by its content."""
    if path.suffix == ".db":
        from hpconv.export import optuna_study

        return optuna_study.is_ours(path)
    return tuple(_header(path)[: len(COLUMNS)]) == COLUMNS


def _header(path: Path) -> list[str]:
    """The column names of a table; empty if the file is not a table."""
    if path.suffix == ".csv":
        with path.open(newline="", errors="replace") as file:
            return next(csv.reader(file), [])
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return list(parquet.read_schema(path).names)
    except pa.ArrowInvalid:
        return []
