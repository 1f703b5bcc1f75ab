"""The report of an experiment: one self-contained HTML file."""

from pathlib import Path

from hpconv import experiments, trials
from hpconv.datasets import origin
from hpconv.files import write_atomically


def write(folder: Path, path: Path, importance_csv: Path | None = None) -> None:
    """Write the report of an experiment.

    Args:
        folder: of the experiment, ``results/<experiment>``.
        path: HTML file to write.
        importance_csv: CSV file to write the importance of the hyperparameters to.

    Raises:
        UserError: when there are no trials, or they were made with other images than those of
            data.h5.
    """
    # imported here because it loads engines and learners, which takes seconds
    from hpconv.report import (
        citations,
        contact_sheet,
        importance,
        page,
        payload,
        provenance,
        winner,
    )

    history = trials.read_summaries(experiments.history(folder))
    if history and (folder / "data.h5").exists():
        origin.check_trial(history[0], folder / "data.h5")
    found = payload.collect(folder, history)
    facts = provenance.collect(folder, history)
    bibtex = citations.bibtex(folder, history)
    data = folder / "data.h5"
    images = contact_sheet.sheet(data, winner.shown_bands(folder)) if data.exists() else None
    winners = winner.collect(folder)
    text = page.render(found, winners, facts, live=None, images=images, bibtex=bibtex)
    write_atomically(path, text)
    if importance_csv is not None:
        rows = found["importance"]["rows"] if found["importance"] else []
        importance.write_csv(rows, importance_csv)
