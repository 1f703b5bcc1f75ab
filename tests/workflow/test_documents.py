"""Every command in the documentation runs after the demo; exceptions are listed with reasons.

A command is a line of a ``bash`` block. A block with a title is a file that the reader writes.
"""

import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpconv.mongodb import connection_file
from tests.conftest import hpconv
from tests.workflow.harness import ROOT, TINY, environment

PAGES = [ROOT / "README.md", ROOT / "config/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^```(?P<language>\S*)(?: title=.(?P<title>\S*).)?\n(?P<text>.*?)^```$", re.M | re.S
)
PROGRAMS = "hpconv|snakemake|make|python|pip|mkdocs|optuna-dashboard"
CHECKOUT = ["Snakefile", "evaluate.smk", "rules", "profiles", "envs", ".ci", "Makefile"]
CHECKOUT += ["pyproject.toml", "requirements.lock", "requirements-dev.lock"]
CONNECTION = "results/demo/mongodb/connection.json"

# commands that cannot run in a test: pattern, reason, and the command that runs instead
INSTEAD = {
    r"make (.*)": ("takes minutes, or removes what tests need", r"make -n \1"),
    r"\.ci/run": ("it calls these tests", "bash -n .ci/run"),
    r"pip install 'hpconv\[(\w+)\]'": ("a download", r"grep -q '^\1 = ' pyproject.toml"),
    r"mkdocs serve": ("does not end; test_reference_pages.py builds the site", ""),
    r"ssh .*": ("there is no other machine", ""),
    r"optuna-dashboard .*": ("is not installed", ""),
    r"hpconv doctor --profile .*": ("needs a scheduler", "hpconv doctor --help | grep profile"),
    r"(hpconv plan .*)": ("a dozen candidates take a minute", r"\1 -n 2"),
    r"hpconv compare .*": ("there is one experiment", "hpconv compare demo results/demo"),
    r"hpconv worker --mongo .*": ("needs a second host", "hpconv worker --help | grep mongo"),
    r"hpconv --install-completion": ("changes a home", "hpconv --help | grep install-comp"),
    r"snakemake --unlock (.*)": ("nothing is locked", r"snakemake -n \1"),
    r"(snakemake .*) -n": ("it is one", r"\1"),
}  # fmt: skip


def blocks(page: Path) -> Iterator[re.Match[str]]:
    yield from BLOCK.finditer(page.read_text())


def commands() -> Iterator[str]:
    for page in PAGES:
        for block in blocks(page):
            if block["language"] == "bash":
                lines = block["text"].replace("\\\n", " ").splitlines()
                yield from filter(None, (re.sub(r" +#.*", "", line).strip() for line in lines))


def runnable(command: str) -> str:
    """The command that the test runs; for the workflow a dry run, as a search takes long."""
    for pattern, (_, instead) in INSTEAD.items():
        if match := re.fullmatch(pattern, command):
            command = match.expand(instead)
    return re.sub("^snakemake (?!-n)", "snakemake -n ", command)


@pytest.fixture(scope="module")
def workspace(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone after a short demo, with the files that the documentation has its reader write."""
    folder = tmp_path_factory.mktemp("documents")
    shutil.copytree(ran, folder, dirs_exist_ok=True)
    for name in CHECKOUT:
        (folder / name).symlink_to(ROOT / name)
    (folder / "config").mkdir()
    for path in (ROOT / "config").glob("*.yaml"):
        (folder / "config" / path.name).symlink_to(path)
    demo = folder / "config/demo.yaml"
    demo.unlink()
    demo.symlink_to(TINY)
    for page in PAGES:
        for block in blocks(page):
            if block["title"]:
                (folder / block["title"]).write_text(block["text"])
    run(folder, f"{sys.executable} make_images.py")
    return folder


def run(folder: Path, command: str) -> None:
    finished = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
    )
    assert finished.returncode == 0, f"{command}\n{finished.stdout}"


@pytest.fixture(scope="module")
def server(workspace: Path) -> Iterator[None]:
    """The demo's server, as it runs during a search."""
    results, connection = workspace / "results/demo", workspace / CONNECTION
    folder, log = results / "mongodb/db", results / "logs/mongod-server.log"
    start = ("start", "--dbpath", folder, "--connection", connection, "--log", log)
    process = hpconv("mongod", *start)
    connection_file.await_server(connection)
    yield
    process.send_signal(signal.SIGTERM)
    process.communicate()


@pytest.mark.parametrize(
    "line",
    [line for line in dict.fromkeys(map(runnable, commands())) if line],
    ids=lambda line: line[:90],
)
def test_documented_command_runs(
    line: str, workspace: Path, request: pytest.FixtureRequest
) -> None:
    if CONNECTION in line:
        request.getfixturevalue("server")
    if line.startswith("hpconv dashboard"):
        serve(workspace, line)
    else:
        run(workspace, line)


def serve(folder: Path, command: str) -> None:
    """Run a command that serves a page until Ctrl-C."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    address = next(filter(None, (re.search(r"http://\S+", line) for line in process.stdout)))
    with urllib.request.urlopen(address[0]) as page:
        assert b"demo" in page.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(180) in (0, 130)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_only_in_tested_blocks(page: Path) -> None:
    rest = BLOCK.sub("", page.read_text())
    assert not re.findall(rf"^(?: {{4,}}|```\w*\n)(?:\$ )?(?:{PROGRAMS}) .*$", rest, re.M)
    for block in blocks(page):
        if block["language"] != "bash":
            assert not re.findall(rf"^(?:\$ )?(?:{PROGRAMS}) .*$", block["text"], re.M)


def test_every_result_file_is_documented(workspace: Path) -> None:
    described = (ROOT / "docs/reference/files.md").read_text()
    results = workspace / "results/demo"
    for path in results.rglob("*"):
        name = re.sub(r"^(winners)/\d+", r"\1/<rank>", str(path.relative_to(results)))
        whole = re.sub(r"^(logs|mongodb/db)/.*", r"\1/", name)
        assert path.is_dir() or f"`{whole}`" in described
