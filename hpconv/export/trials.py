"""The trials of a search as a file for other tools, by its suffix."""

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hpconv import experiments, trials
from hpconv.errors import UserError
from hpconv.evaluation.records import winner_test_errors
from hpconv.files import replacing
from hpconv.trials import COLUMNS, Trial, as_utc, hyperparameters, table_row

PACKAGES = {".db": "optuna", ".csv": None, ".parquet": "pyarrow"}  # what each needs


def require(path: Path) -> None:
    """Make sure that trials can be written to a file.

    Raises:
        UserError: for a suffix that is not known, one whose package is missing, and a file that
            is not an earlier export.
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
    """Write the trials of an experiment that have ended, also while it searches.

    Args:
        folder: of the experiment, ``results/<experiment>``.
        path: one that ``require`` accepts; an earlier export is replaced.

    Returns:
        how many trials there are.

    Raises:
        UserError: when there are none yet.
    """
    history = trials.read(experiments.history(folder))
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
    """The columns of trials.csv, null where a hyperparameter is inactive."""
    import pyarrow as pa
    from pyarrow import parquet

    rows: list[dict[str, Any]] = [
        {**table_row(trial), **hyperparameters(trial)} for trial in history
    ]
    for row in rows:
        row["finished"] = as_utc(row["finished"])
    labels = sorted({label for row in rows for label in row} - set(COLUMNS))
    columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in COLUMNS}
    columns = {name: pa.array(values, _kind(name, pa)) for name, values in columns.items()}
    columns |= {label: [row.get(label) for row in rows] for label in labels}
    parquet.write_table(pa.table(columns), path)


def _kind(name: str, pa: Any) -> Any:
    """The type of a column, which one without any value does not show."""
    if name in ("tid", "continues"):
        return pa.int64()
    if name in ("loss", "own_error", "ensemble_error", "seconds"):
        return pa.float64()
    return pa.timestamp("us", tz="UTC") if name == "finished" else pa.string()


def _is_ours(path: Path) -> bool:
    """Whether a file is an earlier export, by what it holds."""
    if path.suffix == ".db":
        from hpconv.export import optuna_study

        return optuna_study.is_ours(path)
    return tuple(_header(path)[: len(COLUMNS)]) == COLUMNS


def _header(path: Path) -> list[str]:
    """The names of a table's columns; none where it is no table."""
    if path.suffix == ".csv":
        with path.open(newline="", errors="replace") as file:
            return next(csv.reader(file), [])
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return list(parquet.read_schema(path).names)
    except pa.ArrowInvalid:
        return []
