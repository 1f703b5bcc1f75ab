"""``hpconv cite``: what to cite for an experiment."""

from hpconv.cli.options import ExperimentFolder


def cite(experiment: ExperimentFolder = None) -> None:
    """Print BibTeX of the publications and software that an experiment used.

    The method, hyperopt, the engine and the kernels of its trials, scikit-learn,
    Snakemake, and the data set if it is a published one.
    """
    from hpconv import experiments, trials
    from hpconv.report.citations import bibtex

    folder = experiments.find_experiment(experiment, experiments.HISTORIES)
    print(bibtex(folder, trials.read_summaries(experiments.history(folder))), end="")
