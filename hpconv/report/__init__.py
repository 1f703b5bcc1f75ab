"""The report of an experiment: one self-contained HTML file."""

from pathlib import Path

from hpconv import experiments, trials
from hpconv.files import write_atomically


def write(folder: Path, path: Path, importance_csv: Path | None = None) -> None:
    """Write the report of an experiment.

    Args:
        folder: of the experiment, ``results/<experiment>``.
        path: HTML file to write.
        importance_csv: CSV file to write the importance of the hyperparameters to.

    Raises:
        UserError: when there are no trials.
    """
    # imported here because it loads engines and learners, which takes seconds
    from hpconv.report import importance, page, payload, provenance, winner

    history = trials.read(experiments.history(folder))
    found = payload.collect(folder, history)
    facts = provenance.collect(folder, history)
    text = page.render(found, winner.collect(folder), facts, live=None)
    write_atomically(path, text)
    if importance_csv is not None:
        rows = found["importance"]["rows"] if found["importance"] else []
        importance.write_csv(rows, importance_csv)
