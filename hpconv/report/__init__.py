"""The report: one HTML file that holds all it shows."""

from pathlib import Path

from hpconv.files import write_atomically


def write(folder: Path, path: Path, importance_csv: Path | None = None) -> None:
    """Write the report of an experiment.

    Args:
        folder: of the experiment, ``results/<experiment>``.
        path: the HTML file.
        importance_csv: where the hyperparameters' importance goes, too.

    Raises:
        UserError: when the folder holds no history of a search.
    """
    # with engines and learners, which take seconds: others need but a module of this package
    from hpconv.report import importance, page, payload, provenance, winner

    found = payload.collect(folder)
    text = page.render(found, winner.collect(folder), provenance.collect(folder), live=None)
    write_atomically(path, text)
    if importance_csv is not None:
        rows = found["importance"]["rows"] if found["importance"] else []
        importance.write_csv(rows, importance_csv)
