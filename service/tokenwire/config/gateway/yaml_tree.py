"""Parses YAML into plain values, and keeps the line of each.

Only what configuration needs is accepted: one document of maps, lists and scalars. Anchors, aliases
and tags are rejected, so a small file cannot become a large one. Scalars have the types of YAML
1.2's core schema, in which `no` and `on` are texts.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

MAX_DEPTH: Final = 16
MAX_NODES: Final = 50_000

Path: TypeAlias = tuple[str | int, ...]
"""Keys of maps and indices of lists, from the root."""

NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEANS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C where it is installed, which is fifty times as fast."""


class GatewayYamlError(Exception):
    """A text is not YAML, or uses what is not accepted.

    Attributes:
        line: The line, from 1.
        description: What is wrong and what is allowed.
    """

    def __init__(self, line: int, description: str) -> None:
        super().__init__(description)
        self.line = line
        self.description = description


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed document.

    Attributes:
        value: The value: maps, lists, texts, numbers, booleans and None.
        lines: The line of each key and of each item, from 1.
    """

    value: Any
    lines: dict[Path, int]

    def line_of(self, path: Path) -> int:
        """Return the line of a path, or of the nearest one above it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


@dataclass(slots=True)
class _Container:
    """A map or list that is being parsed."""

    path: Path
    value: dict[str, Any] | list[Any]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Builds the tree from events, without recursion."""

    lines: dict[Path, int] = field(default_factory=dict)
    stack: list[_Container] = field(default_factory=list)
    root: Any = None
    documents: int = 0
    nodes: int = 0

    def add(self, event: yaml.Event) -> None:
        """Add an event."""
        line = event.start_mark.line + 1 if event.start_mark else 1
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise GatewayYamlError(line, "must be one document; remove `---`")
            case yaml.AliasEvent():
                raise GatewayYamlError(line, "aliases (`*name`) are not accepted; repeat the value")
            case yaml.NodeEvent():
                self._add_node(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.stack.pop()

    def _add_node(self, event: yaml.NodeEvent, line: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise GatewayYamlError(line, f"must have at most {MAX_NODES:,} values")
        if event.anchor is not None:
            raise GatewayYamlError(line, "anchors (`&name`) are not accepted; repeat the value")
        tag = getattr(event, "tag", None)
        # The parser gives quoted scalars the tag `!` by itself.
        if tag is not None and not (tag == "!" and _is_quoted(event)):
            raise GatewayYamlError(line, "tags (`!name`) are not accepted; remove it")
        parent = self.stack[-1] if self.stack else None
        if parent and isinstance(parent.value, dict) and parent.key is None:
            self._add_key(parent, event, line)
            return
        path = self._path(parent)
        if parent is None or isinstance(parent.value, list):
            self.lines[path] = line
        value = _value(event)
        if parent is None:
            self.root = value
        elif isinstance(parent.value, list):
            parent.value.append(value)
        else:
            assert parent.key is not None  # noqa: S101 - it was added before
            parent.value[parent.key] = value
            parent.key = None
        if isinstance(value, (dict, list)):
            if len(self.stack) >= MAX_DEPTH:
                raise GatewayYamlError(line, f"must be nested at most {MAX_DEPTH} deep")
            self.stack.append(_Container(path, value))

    def _add_key(self, parent: _Container, event: yaml.NodeEvent, line: int) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            raise GatewayYamlError(line, "keys must be texts; quote this one")
        key = event.value
        path = (*parent.path, key)
        if path in self.lines:
            raise GatewayYamlError(line, f"the key {key!r} occurs twice; remove one of the two")
        self.lines[path] = line
        parent.key = key

    def _path(self, parent: _Container | None) -> Path:
        if parent is None:
            return ()
        last = parent.key if isinstance(parent.value, dict) else len(parent.value)
        assert last is not None  # noqa: S101 - a value follows its key
        return (*parent.path, last)


def _value(event: yaml.NodeEvent) -> Any:
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - no other kind of node exists
    return event.value if _is_quoted(event) else _scalar(event.value)


def _is_quoted(event: yaml.NodeEvent) -> bool:
    return isinstance(event, yaml.ScalarEvent) and bool(event.style)


def _scalar(text: str) -> Any:
    """Return the value of a scalar without quotes."""
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if FLOAT.fullmatch(text) else text


def parse(text: str) -> Tree:
    """Parse a document.

    Raises:
        GatewayYamlError: It is not YAML, or uses what is not accepted.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=LOADER):
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise GatewayYamlError(
            mark.line + 1 if mark else 1, f"is not YAML: {error.problem}"
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        description = "has a character that YAML does not allow; remove it or quote it as \\x.."
        raise GatewayYamlError(line, description) from None
    except yaml.YAMLError:
        raise GatewayYamlError(1, "is not YAML") from None
    return Tree(builder.root, builder.lines)
