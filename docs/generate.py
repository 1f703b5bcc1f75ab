"""Reference pages written from the code whenever the site is built; a hook of mkdocs.

A page says where, with a line ``<!-- generated: NAME -->``, for the functions named in ``PARTS``.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import typer
import yaml

from hpconv.cli import app
from hpconv.config import schema
from hpconv.model import space_table
from hpconv.model.space import search_space

ROOT = Path(__file__).parents[1]
OPERATORS = ROOT / "hpconv/engines/operators.py"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """What mkdocs calls with each page: put the generated parts in their places."""
    return re.sub(r"<!-- generated: (\S+) -->", lambda found: PARTS[found[1]](), markdown)


def configuration() -> str:
    """Every key of a configuration, a table for each section."""
    parts = []
    for name in schema.find()["properties"]:
        rows = [
            (f"`{key}`", schema.allowed(part), _default(part), escape(part["description"]))
            for key, part in schema.leaves(name).items()
        ]
        parts.append(f"## {name}\n\n{_table(('key', 'allowed', 'default', 'what it is'), rows)}")
    return "\n\n".join(parts)


def _default(part: dict[str, Any]) -> str:
    if "default" not in part:
        return "none, it must be given"
    return f"`{yaml.safe_dump([part['default']], default_flow_style=True).strip()[1:-1]}`"


def space() -> str:
    """Every hyperparameter of the published space, a table for each layer and exit."""
    table = space_table.table(search_space((32, 64), (64, 128)))
    groups: dict[str, list[tuple[str, ...]]] = {}
    for row in sorted(table, key=lambda row: _group(row["label"])):
        drawn = [*map(_number, row["args"]), *(f"{k}={_number(v)}" for k, v in row["kw"].items())]
        when = [f"`{label}` in {options}" for label, options in row["condition"].items()]
        cells = (f"`{row['label']}`", f"{row['dist']}({', '.join(drawn)})")
        groups.setdefault(_group(row["label"]), []).append((*cells, " and ".join(when) or "always"))
    head = ("label", "drawn from", "active when")
    return "\n\n".join(f"## {name}\n\n{_table(head, rows)}" for name, rows in groups.items())


def _group(label: str) -> str:
    """The layer or exit that a hyperparameter belongs to, by the beginning of its label."""
    layer = re.match(r"l(\d)(eg|elpa|el_|_out_lp|elp_|fb|p|_fbncc)?", label)
    if layer is None:
        return "Exit and warp"
    kinds = {"eg": "grid pooling", "elpa": "lpool_alpha", "el_": "lpool_alpha"}
    kinds |= {"_out_lp": "lpool", "elp_": "lpool"}
    below = f"over {layer[1]} layer{'s' * (layer[1] != '1')}"
    if layer[2] in kinds:
        return f"Exit {below}: {kinds[layer[2]]}"
    return f"Layer {layer[1]}"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def operators() -> str:
    """The signature and docstring of every operator."""
    functions = ast.parse(OPERATORS.read_text()).body
    return "\n\n".join(
        f"## {one.name}\n\n```python\n{one.name}({_parameters(one)})\n```\n\n{_prose(one)}"
        for one in functions
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")
    )


def _parameters(function: ast.FunctionDef) -> str:
    for argument in function.args.args:
        argument.annotation = None
    return ast.unparse(function.args)


def _prose(function: ast.FunctionDef) -> str:
    text = (ast.get_docstring(function) or "").replace("``", "`")
    return re.sub(r"^Args:\n", "Arguments:\n\n", text, flags=re.M).replace("\n    ", "\n- ")


def command_line() -> str:
    """What ``--help`` says of every verb."""
    verbs = _verbs(typer.main.get_command(app), "hpconv")
    return "\n\n".join(f"## {name}\n\n```text\n{_help(verb, name)}\n```" for name, verb in verbs)


def _verbs(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command, and all below it."""
    yield name, command
    for verb, part in getattr(command, "commands", {}).items():
        yield from _verbs(part, f"{name} {verb}")


def _help(command: Any, name: str) -> str:
    command.rich_markup_mode = None  # plain text instead of boxes
    end, command.epilog = command.epilog, None  # plain text would fold its lines
    text = command.get_help(typer.Context(command, info_name=name))
    return f"{text}\n\n{end}" if end else text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(cells) for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


PARTS = {
    "configuration": configuration,
    "space": space,
    "operators": operators,
    "command-line": command_line,
}
