"""The site is built without a network, and its reference has all that the code has."""

import ast
import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hpconv.config import schema
from hpconv.engines import operators
from hpconv.model import space_table
from hpconv.model.space import search_space

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as continuous integration builds it."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return folder


def page(site: Path, name: str) -> str:
    """A page of the reference as text."""
    source = (site / "reference" / name / "index.html").read_text()
    return html.unescape(re.sub(r"<[^>]+>", "", source))


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", path.read_text()):
            assert "//" not in tag.replace("http://www.w3.org", ""), f"{path}: {tag}"


def test_every_key_is_there_with_its_description(site: Path) -> None:
    text = page(site, "configuration")
    for name in schema.find()["properties"]:
        for part in schema.leaves(name).values():
            assert part["description"] in text
            assert schema.allowed(part) in text


def test_every_hyperparameter_is_there(site: Path) -> None:
    text = page(site, "search-space").split()
    labels = [row["label"] for row in space_table.table(search_space((32, 64), (64, 128)))]
    assert len(labels) == 238
    assert set(labels) <= set(text)


def test_every_operator_is_there_with_its_docstring(site: Path) -> None:
    text = " ".join(page(site, "operators").split())
    for name in ("warp", "lpool", "lpool_alpha", "quantize_gridpool", "lnorm", "gnorm", "fbncc"):
        first = getattr(operators, name).__doc__.splitlines()[0]
        assert first.replace("``", "") in text


@pytest.mark.parametrize("verb", ["space", "status", "worker", "mongod start", "cache prune"])
def test_every_verb_is_there_with_its_help(site: Path, verb: str) -> None:
    assert f"Usage: hpconv {verb} " in page(site, "command-line")


def test_packages_import_only_those_above_them_in_the_overview() -> None:
    overview = re.search(r"```text\n(.*?)```", (ROOT / "docs/contributing.md").read_text(), re.S)
    assert overview
    first, *lines = overview[1].splitlines()
    order = first.partition("  ")[0].split(", ") + [line.split()[0] for line in lines if line]
    modules = {path.stem for path in (ROOT / "hpconv").glob("[!_]*.py")}
    packages = {path.parent.name for path in (ROOT / "hpconv").glob("*/__init__.py")}
    assert set(order) == modules | packages
    place = {name: number for number, name in enumerate(order)}
    for path in (ROOT / "hpconv").rglob("*.py"):
        own = path.relative_to(ROOT / "hpconv").parts[0].removesuffix(".py")
        for name in imported(path) & set(place) if own in place else ():
            assert place[name] <= place[own], f"{path} imports {name}, which stands below {own}"


def test_the_final_evaluation_imports_no_database() -> None:
    script = """
import importlib, pkgutil, sys
import hpconv.evaluation as package
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"{package.__name__}.{module.name}")
print(*{"pymongo", "gridfs"} & set(sys.modules))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (found.stdout.strip(), found.stderr) == ("", "")


def imported(path: Path) -> set[str]:
    """The top-level modules and packages of hpconv that a file imports, lazily too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "hpconv":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hpconv."):
            found.add(str(node.module).split(".")[1])
    return found
