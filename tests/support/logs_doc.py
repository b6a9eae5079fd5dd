"""docs/logs.md as data, and the log entries that the code contains."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import tokenwire
from support.programs import ROOT

DOCUMENT = ROOT / "docs" / "logs.md"
PACKAGE = Path(tokenwire.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
LOGGERS = {"log", "call_log"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ANY = "*"
"""Replaces an event that is not a constant."""


@cache
def documented_lines() -> dict[str, set[str]]:
    """Return the documented fields of each event."""
    return {_codes(row[0])[0]: set(_codes(row[3])) for row in _table("Lines") if _is_one(row[0])}


@cache
def documented_fields() -> dict[str, str]:
    """Return the documented type of each field."""
    types: dict[str, str] = {}
    for names, type_, _ in _table("Fields"):
        kinds = type_.split(", ") if ", " in type_ else [type_] * len(_codes(names))
        types |= dict(zip(_codes(names), kinds, strict=True))
    return types


def logged_lines() -> dict[str, set[str]]:
    """Return the fields of each event in the code's calls of loggers."""
    lines: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        # The simulator is not part of the service.
        if "demo" not in path.relative_to(PACKAGE).parts:
            for event, fields in _logged_by(ast.parse(path.read_text("utf-8"))):
                lines.setdefault(event, set()).update(fields)
    return lines


def _logged_by(module: ast.Module) -> Iterator[tuple[str, set[str]]]:
    constants = {
        node.target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    functions = [node for node in ast.walk(module) if isinstance(node, FUNCTIONS)]
    for function in functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and _is_logging(node.func):
                yield _event(node, constants), _fields(node, function)


def _is_logging(called: ast.expr) -> bool:
    if not isinstance(called, ast.Attribute) or called.attr not in LEVELS:
        return False
    logger = called.value
    name = logger.attr if isinstance(logger, ast.Attribute) else getattr(logger, "id", "")
    return name in LOGGERS


def _event(call: ast.Call, constants: Mapping[str, object]) -> str:
    assert isinstance(call.func, ast.Attribute)
    event = call.args[1 if call.func.attr == "log" else 0]
    if isinstance(event, ast.Name):
        return str(constants.get(event.id, ANY))
    return str(event.value) if isinstance(event, ast.Constant) else ANY


def _fields(call: ast.Call, function: ast.AST) -> set[str]:
    assert isinstance(call.func, ast.Attribute)
    fields: set[str] = {"exception", "frames"} if call.func.attr == "exception" else set()
    for keyword in call.keywords:
        if keyword.arg == "exc_info":
            fields |= {"exception", "frames"}
        elif keyword.arg == "extra":
            fields |= _keys(keyword.value, function)
    return fields


def _keys(value: ast.AST, function: ast.AST) -> set[str]:
    """Return the keys of a dictionary that the function builds in one or more steps."""
    if isinstance(value, ast.Dict):
        return {str(key.value) for key in value.keys if isinstance(key, ast.Constant)}
    if isinstance(value, ast.BinOp):
        return _keys(value.left, function) | _keys(value.right, function)
    if isinstance(value, ast.DictComp):
        source = value.generators[0].iter
        return {key for name in ast.walk(source) for key in _named_keys(name, function)}
    return _named_keys(value, function)


def _named_keys(name: ast.AST, function: ast.AST) -> set[str]:
    if not isinstance(name, ast.Name):
        return set()
    keys: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id == name.id:
                    keys |= _keys(node.value, function)
                elif (
                    isinstance(target, ast.Subscript)
                    and isinstance(target.value, ast.Name)
                    and target.value.id == name.id
                    and isinstance(target.slice, ast.Constant)
                ):
                    keys.add(str(target.slice.value))
    return keys


def _table(title: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without the header row.

    The first cells of any two rows must differ.
    """
    section = DOCUMENT.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1:]]
    assert len({row[0] for row in cells}) == len(cells), f"twice in the table of {title}"
    return cells


def _codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _is_one(cell: str) -> bool:
    return cell.startswith("`")
