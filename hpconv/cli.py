"""The command line: ``hpconv VERB``; the workflow's rules call nothing else."""

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from pymongo.errors import ConnectionFailure

from hpconv.errors import CandidateError, UserError

EXIT_USER_ERROR, EXIT_CANDIDATE_REFUSED = 1, 3

app = typer.Typer(
    help="Search convolutional feature extractors on a cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Section = Annotated[dict, typer.Option(parser=json.loads, metavar="JSON")]
Model = Annotated[
    dict,
    typer.Option(parser=json.loads, metavar="JSON", help="Section 'model' of a configuration."),
]
Data = Annotated[Path, typer.Option(help="Data set as written by 'hpconv data'.")]
Output = Annotated[Path, typer.Option(help="File to write.")]
Connection = Annotated[Path, typer.Option(help="File in which the server says where it is.")]
Experiment = Annotated[str, typer.Option(help="Name of the experiment (hyperopt's exp_key).")]
History = Annotated[Path, typer.Option(help="Export of all trials, one JSON document a line.")]
Sizes = Annotated[str, typer.Option(metavar="N,N", help="Sizes, with commas.")]
MaxEvals = Annotated[int, typer.Option(help="Trials of a whole search.")]
TrialFile = Annotated[Path, typer.Option("--trial", help="A winner's trial.json.")]


def main() -> None:
    """Run a verb; what a person can mend becomes one line and a non-zero exit status."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("hpconv").setLevel(logging.INFO)
    try:
        app()
    except UserError as error:
        _stop(str(error), EXIT_USER_ERROR)
    except ConnectionFailure as error:
        reason = str(error).partition(" (configured timeouts")[0]
        _stop(f"the MongoDB server is out of reach: {reason}", EXIT_USER_ERROR)
    except CandidateError as refusal:
        _stop(str(refusal), EXIT_CANDIDATE_REFUSED)


def _stop(message: str, status: int) -> None:
    print(f"hpconv: {message}", file=sys.stderr)
    sys.exit(status)


# Each verb imports what it needs when it runs: `hpconv --help` answers at once.


@app.command()
def data(settings: Section, output: Output) -> None:
    """Write a data set, with its splits, to HDF5."""
    from hpconv import datasets

    datasets.write(datasets.DataSettings(**settings), output)


@app.command()
def mongod(
    dbpath: Annotated[Path, typer.Option(help="Folder of the database.")],
    connection: Connection,
    log: Annotated[Path, typer.Option(help="Log file of mongod.")],
    binary: Annotated[str | None, typer.Option(help="mongod to run instead of one found.")] = None,
) -> None:
    """Run a MongoDB server until it is told to stop or its parent process is gone."""
    from hpconv import database

    database.serve(dbpath, connection, log, binary)


@app.command()
def wait(connection: Connection, history: History, max_evals: MaxEvals) -> None:
    """Return when the server answers, or when the search needs none any more."""
    from hpconv import database, trials

    if not trials.complete(history, max_evals):
        database.await_server(connection)


@app.command()
def driver(
    connection: Connection,
    exp_key: Experiment,
    data: Data,
    model: Model,
    search: Section,
    output: Output,
) -> None:
    """Suggest trials until enough have finished, then export them all."""
    from hpconv import database, datasets, driver
    from hpconv.candidate import ModelSettings
    from hpconv.store import Store

    settings, bounds = driver.SearchSettings(**search), ModelSettings(**model)
    store = Store(database.await_server(connection), exp_key)
    store.open_search(driver.fingerprint(datasets.verify(data), bounds))
    driver.Driver(store, bounds, settings).run()
    driver.export(store.finished(), output)


@app.command()
def worker(
    connection: Connection,
    exp_key: Experiment,
    data: Data,
    model: Model,
    budget: Section,
    history: History,
    max_evals: MaxEvals,
    output: Output,
) -> None:
    """Evaluate trials until the driver has closed the search."""
    from hpconv import database, trials, worker
    from hpconv.budget import Budget
    from hpconv.candidate import ModelSettings
    from hpconv.files import write_json
    from hpconv.store import Store

    finished = 0
    if not trials.complete(history, max_evals):
        evaluator = worker.Evaluator(data, ModelSettings(**model), Budget(**budget))
        store = Store(database.await_server(connection), exp_key)
        at_work = worker.Worker(store, evaluator)
        try:
            at_work.run()
        except ConnectionFailure:
            if connection.exists():  # a server that stops in order takes the file along
                raise
        finished = at_work.finished
    write_json(output, {"finished": finished})


@app.command()
def gather(
    history: History,
    csv: Annotated[Path, typer.Option(help="Table of all trials to write.")],
    output: Output,
) -> None:
    """Export all trials of a finished search, also as a table."""
    from hpconv import trials

    trials.write_csv(trials.read(history), csv)
    output.write_bytes(history.read_bytes())


@app.command()
def best(
    history: History,
    winners: Annotated[int, typer.Option(min=1, help="How many trials win.")],
    folder: Annotated[Path, typer.Option(help="Where each winner gets a folder, by rank.")],
    output: Output,
) -> None:
    """Rank the trials by validation error."""
    from hpconv import trials

    trials.write_best(trials.read(history), winners, output, folder)


@app.command()
def features(trial: TrialFile, data: Data, model: Model, output: Output) -> None:
    """Extract a winner's features of every image."""
    from hpconv import features
    from hpconv.candidate import ModelSettings

    features.extract(trial, data, ModelSettings(**model), output)


@app.command()
def space(
    json_: Annotated[bool, typer.Option("--json", help="As JSON instead of a table.")] = False,
    output_sizes: Sizes = "32,64",
    max_layer_sizes: Sizes = "64,128",
) -> None:
    """List the hyperparameters: what each is drawn from, and when it is active."""
    from hpconv import hyperparameters
    from hpconv.space import search_space

    table = hyperparameters.table(search_space(_sizes(output_sizes), _sizes(max_layer_sizes)))
    if json_:
        print(json.dumps(table, indent=2))
        return
    for row in table:
        arguments = ", ".join([*map(str, row["args"]), *(f"{k}={v}" for k, v in row["kw"].items())])
        when = " and ".join(f"{label} in {options}" for label, options in row["condition"].items())
        print(f"{row['label']:26}{row['dist']}({arguments})  {when}")


@app.command()
def extract(
    images: Annotated[Path, typer.Option(help="Images to extract features of (.npy).")],
    output: Output,
    assignment: Annotated[Path | None, typer.Option(help="Hyperparameters (JSON).")] = None,
    unsupervised: Annotated[Path | None, typer.Option(help="Images to learn from (.npy).")] = None,
    trial: Annotated[int | None, typer.Option(help="A finished trial, by its number.")] = None,
    experiment: Annotated[Path | None, typer.Option(help="Folder of the trial's results.")] = None,
    output_sizes: Sizes = "32,64",
    max_layer_sizes: Sizes = "64,128",
    n_patches: int = 50000,
    max_n_features: int = 16000,
    max_row_elements: int = 500000,
) -> None:
    """Write features of any images, by a trial or by hyperparameters of your own.

    Either give --trial (and --experiment, where there are several), or --assignment and
    --unsupervised; the options after those are for the second form.
    """
    from hpconv import extract
    from hpconv import images as pictures
    from hpconv.candidate import ModelSettings
    from hpconv.files import read_json

    if trial is not None:
        folder = experiment or extract.only_experiment(Path("results"))
        values, extractor = extract.from_trial(trial, folder)
    elif assignment is not None and unsupervised is not None:
        values, learn_from = read_json(assignment), pictures.read(unsupervised)
        model = ModelSettings(
            output_sizes=_sizes(output_sizes),
            max_layer_sizes=_sizes(max_layer_sizes),
            n_patches=n_patches,
            max_n_features=max_n_features,
            max_row_elements=max_row_elements,
            n_unsupervised=len(learn_from),
            batch_size=100,
        )
        extractor = extract.from_assignment(values, learn_from, model)
    else:
        raise UserError("give --trial, or --assignment and --unsupervised")
    extract.extract(extractor, values, pictures.read(images), output)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in text.split(",") if size)
    except ValueError:
        raise UserError(f"sizes are '{text}', write numbers with commas, such as 32,64") from None


@app.command()
def doctor(
    mongod: Annotated[str | None, typer.Option(help="mongod to look at.")] = None,
) -> None:
    """Say what this machine has for hpconv, and what to do about what it lacks."""
    from hpconv import doctor

    findings = list(doctor.examine(mongod))
    for finding in findings:
        print(f"{finding.subject:10}{finding.found}")
        if finding.advice:
            print(f"{'':10}-> {finding.advice}")
    if any(finding.found == doctor.MISSING for finding in findings):
        sys.exit(EXIT_USER_ERROR)


@app.command()
def baseline(data: Data, output: Output) -> None:
    """Evaluate a linear classifier on raw pixels."""
    from hpconv import evaluate

    evaluate.baseline(data, output)


@app.command()
def retrain(
    trial: TrialFile,
    data: Data,
    features: Annotated[Path, typer.Option(help="The winner's features.")],
    model: Model,
    output: Output,
) -> None:
    """Fit a winner's classifier on train and validation images; measure it once on test."""
    from hpconv import evaluate
    from hpconv.candidate import ModelSettings

    evaluate.retrain(trial, data, features, ModelSettings(**model), output)


@app.command()
def evaluate(
    data: Data,
    baseline: Annotated[Path, typer.Option(help="Evaluation of the baseline.")],
    winners: Annotated[list[Path], typer.Argument(help="Evaluations, the first rank first.")],
    output: Output,
) -> None:
    """Gather the evaluations of winners and baseline."""
    from hpconv import evaluate

    evaluate.summarise(data, baseline, winners, output)


@app.command()
def report(
    history: History,
    data: Data,
    evaluation: Annotated[Path, typer.Option(help="The final evaluation.")],
    features: Annotated[Path, typer.Option(help="Features of the first winner.")],
    output: Output,
) -> None:
    """Write the report, one HTML file that needs no other."""
    from hpconv import report

    report.write(history, data, evaluation, features, output)
