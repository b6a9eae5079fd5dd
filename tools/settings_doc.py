"""Generates the table of settings in docs/settings.md and in the README."""

import re
from pathlib import Path
from typing import Any, Final

from pydantic_settings import BaseSettings

from documents import code, table, write
from tokenwire.config import Settings
from tokenwire.config.files import names_of
from tokenwire.config.providers import PROVIDER_SETTINGS

# First field -> title. A group ends at the next group, so most new fields need no entry here.
GROUPS: Final = {
    "listen": "Addresses",
    "tls_certificate_file": "TLS",
    "api_key": "Upstream",
    "provider": "Model",
    "connect_timeout_seconds": "Limits and timing",
    "prices": "Metrics, logs and traces",
}

HEAD: Final = ("Variable", "Default", "Meaning")
INTRODUCTION: Final = """\
# Settings

Environment variables configure tokenwire. A file may hold any of them: set
`TOKENWIRE_SECRETS_DIR` to a directory, such as a mounted Kubernetes Secret or ConfigMap, and each
file in it that has the name of a variable below sets that variable, without the white space
around its content. The environment takes precedence over a file. An empty variable or file
counts as unset. A missing or invalid setting stops the start with exit code 2 and one line that
says what is allowed; a variable that begins with `TOKENWIRE_` and is not a setting causes a
warning in the log.
"""

IN_README: Final = re.compile(
    r"(?<=<!-- settings: begin -->\n).*?(?=<!-- settings: end -->)", re.DOTALL
)


def settings_table(root: Path) -> None:
    """Write docs/settings.md, and the tables between the markers of the README if it has them."""
    sections = settings_tables()
    every = sections | provider_tables()
    parts = [f"## {title}\n\n{rows}" for title, rows in every.items()]
    source = "service/tokenwire/config/fields.py"
    write(root / "docs" / "settings.md", source, INTRODUCTION, *parts)
    readme = root / "README.md"
    text = readme.read_text("utf-8") if readme.exists() else ""
    if IN_README.search(text):
        short = "\n\n".join(f"**{title}**\n\n{rows}" for title, rows in sections.items())
        readme.write_text(IN_README.sub(lambda _: f"\n{short}\n\n", text), "utf-8")


def settings_tables() -> dict[str, str]:
    """Return the settings as Markdown tables, by the title of their group."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    title = ""
    for field, row in _rows(Settings).items():
        title = GROUPS.get(field, title)
        groups.setdefault(title, []).append(row)
    return {title: table(HEAD, rows) for title, rows in groups.items()}


def provider_tables() -> dict[str, str]:
    """Return the providers' own settings as Markdown tables, by the title of their group."""
    return {
        f"With `TOKENWIRE_PROVIDER={provider}`": table(HEAD, _rows(settings).values())
        for provider, settings in PROVIDER_SETTINGS.items()
    }


def _rows(settings: type[BaseSettings]) -> dict[str, tuple[str, str, str]]:
    """Return the row of each field."""
    properties = settings.model_json_schema()["properties"]
    rows = {}
    for name, field in settings.model_fields.items():
        names = names_of(field)
        schema = properties[names[0]]
        meaning = " ".join(filter(None, (schema["description"], _limits(names[0], schema))))
        rows[name] = (", ".join(map(code, names)), _default(schema["default"]), meaning)
    return rows


def _default(value: object) -> str:
    match value:
        case None:
            return "unset"
        case "" | []:
            return "empty"
        case bool():
            return code(str(value).lower())
        case _:
            return code(str(value))


def _limits(name: str, schema: dict[str, Any]) -> str:
    # The schema of an optional setting also allows null; the other type has the limits.
    schema = schema.get("anyOf", [schema])[0]
    if "enum" in schema:
        return f"One of {', '.join(map(code, schema['enum']))}."
    if schema["type"] == "boolean":
        return f"{code('true')} or {code('false')}."
    unit = " seconds" if name.endswith("_SECONDS") else ""
    if "exclusiveMinimum" in schema:
        return f"Above {schema['exclusiveMinimum']:,} and at most {schema['maximum']:,}{unit}."
    if "minimum" in schema:
        return f"From {schema['minimum']:,} to {schema['maximum']:,}{unit}."
    if "maxLength" in schema:
        return f"At most {schema['maxLength']:,} characters."
    return ""
