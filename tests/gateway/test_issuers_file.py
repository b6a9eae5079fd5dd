"""The section `issuers` of the gateway file, the tokens of callers, and what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.issuer import AUDIENCE, IssuerServer, encoded, new_key
from tokenwire.config import SettingsError
from tokenwire.config.gateway import load_gateway
from tokenwire.core.caller import Caller
from tokenwire.core.subjects import SubjectPattern, Subjects

URL = "https://issuer.example"
TOKENS = "callers: {jobs: {tokens: [{issuer: one, subject: a}]}}"
HEAD = "upstreams: {one: {base_url: http://127.0.0.1:1/v1}}\nmodels: {fast: {routes: one/a}}\n"


def write(folder: Path, issuers: Any, rest: str = TOKENS) -> Path:
    """Write a gateway file with these issuers."""
    path = folder / "gateway.yaml"
    path.write_text(f"{HEAD}issuers: {json.dumps(issuers)}\n{rest}\n")
    return path


def own_token(**claims: Any) -> str:
    """Return a token whose signature nobody verifies."""
    return f"e30.{encoded(json.dumps(claims).encode()).decode()}.e30"


SECTION = {"issuer": URL, "audience": AUDIENCE}
MISTAKES: dict[str, tuple[Any, str]] = {
    "no audience": ({"one": {"issuer": URL}}, "issuers.one.audience: is missing"),
    "no issuer": ({"one": {"audience": "a"}}, "issuers.one: must have `issuer`, or `token_file`"),
    "a name with capitals": ({"One": SECTION}, "issuers.One=One: must be 1 to 63 lower-case"),
    "an unknown key": (
        {"one": SECTION | {"jwks": "a"}},
        "issuers.one.jwks: unknown key; did you mean jwks_url? allowed here: issuer, audience",
    ),
    "spaces": ({"one": SECTION | {"audience": "a b"}}, "issuers.one.audience=a b: must be printab"),
    "no TLS": (
        {"one": SECTION | {"jwks_url": "http://issuer.example/keys"}},
        "issuers.one.jwks_url=http://issuer.example/keys: must be https, or http on this host",
    ),
    "discovery without TLS": (
        {"one": SECTION | {"issuer": "http://issuer.example"}},
        "issuers.one.issuer=http://issuer.example: must be an https URL, or http on this host",
    ),
    "discovery without an address": (
        {"one": SECTION | {"issuer": "kubernetes/serviceaccount"}},
        "or set `jwks_url` or `jwks_file`",
    ),
    "two sources": (
        {"one": SECTION | {"jwks_url": URL, "jwks_file": "a"}},
        "issuers.one: cannot have `jwks_url` beside `jwks_file`; remove one of them",
    ),
    "a user in the URL": (
        {"one": SECTION | {"jwks_url": "https://a:b@c/"}},
        "issuers.one.jwks_url=https://***@c/: must have no user and no password",
    ),
    "the same issuer twice": (
        {"one": SECTION, "two": SECTION},
        "issuers.two: is the same issuer as issuers.one",
    ),
    "no file with keys": (
        {"one": SECTION | {"jwks_file": "none"}},
        "issuers.one.jwks_file=none: cannot be read: No such file",
    ),
    "a file without keys": (
        {"one": SECTION | {"jwks_file": "gateway.yaml"}},
        "issuers.one.jwks_file=gateway.yaml: must be a JSON Web Key Set",
    ),
    "no authorities": (
        {"one": SECTION | {"ca_file": "gateway.yaml"}},
        "issuers.one.ca_file=gateway.yaml: must be a PEM file with certificates",
    ),
    "no token": (
        {"one": SECTION | {"token_file": "none"}},
        "issuers.one.token_file=none: the file cannot be read: No such file",
    ),
    "a token without an issuer": (
        {"one": {"audience": "a", "token_file": "empty"}},
        "issuers.one.token_file=empty: has no token with the claim `iss`; set `issuer`",
    ),
    "something that is no token": (
        {"one": {"audience": "a", "token_file": "word"}},
        "issuers.one.token_file=word: has no token with the claim `iss`; set `issuer`",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_of_issuers_are_told(name: str, tmp_path: Path) -> None:
    """Each mistake has a line with its place, and what is allowed."""
    issuers, expected = MISTAKES[name]
    (tmp_path / "empty").write_text(own_token())
    (tmp_path / "word").write_text("canary")
    with pytest.raises(SettingsError) as caught:
        load_gateway(write(tmp_path, issuers))
    problem = caught.value.problems[0]
    assert problem.startswith(f"{tmp_path / 'gateway.yaml'}:")
    assert expected in problem
    assert "canary" not in problem


CALLERS: dict[str, str] = {
    "  a: {tokens: []}": "callers.a.tokens: must have at least 1 entries",
    "  a: {models: [fast]}": "callers.a: must have `keys`, `tokens` or `certificates`",
    "  a: {tokens: [{issuer: onn, subject: a}]}": "callers.a.tokens[0].issuer=onn: is not in "
    "`issuers`; did you mean one?",
    "  a: {tokens: [{issuer: one}]}": "callers.a.tokens[0].subject: is missing",
    "  a: {tokens: [{issuer: one, subject: ''}]}": "callers.a.tokens[0].subject=: must be print",
    "  a: {tokens: [{issuer: one, sub: a}]}": "callers.a.tokens[0].sub: unknown key; did you mean "
    "subject? allowed here: issuer, subject",
    "  a: {tokens: [{issuer: one, subject: a}]}\n  b: {tokens: [{issuer: one, subject: a}]}": (
        "callers.b.tokens[0]: is the same as callers.a.tokens[0]"
    ),
    "  a: {keyz: []}": "callers.a.keyz: unknown key; did you mean keys? allowed here: keys, "
    "certificates, tokens, models",
}


@pytest.mark.parametrize("text", CALLERS)
def test_mistakes_of_tokens_are_told(text: str, tmp_path: Path) -> None:
    """A caller needs keys or tokens, of issuers of the file, and no two callers the same."""
    with pytest.raises(SettingsError) as caught:
        load_gateway(write(tmp_path, {"one": SECTION}, f"callers:\n{text}"))
    assert any(CALLERS[text] in problem for problem in caught.value.problems), caught.value.problems


def test_what_a_file_may_say(tmp_path: Path) -> None:
    """An issuer is that of the section, or of the token in its file, which is watched too."""
    server = IssuerServer()
    server.keys = {"a": new_key()}
    (tmp_path / "token").write_text(own_token(iss="https://cluster.example"))
    (tmp_path / "jwks.json").write_text(json.dumps(server.jwks()))
    issuers = {
        "one": SECTION,
        "two": {"audience": "b", "token_file": "token", "jwks_url": f"{URL}/keys"},
        "three": SECTION | {"issuer": "kubernetes/serviceaccount", "jwks_file": "jwks.json"},
    }
    loaded = load_gateway(write(tmp_path, issuers))
    assert {name: each.issuer for name, each in loaded.issuers.items()} == {
        "one": URL,
        "two": "https://cluster.example",
        "three": "kubernetes/serviceaccount",
    }
    assert {*loaded.named_files} == {tmp_path / "token", tmp_path / "jwks.json"}


def test_the_most_specific_subject_decides() -> None:
    """A subject is found by the pattern with the most that is no *, whatever the order."""
    rows = ("*", "sa:*", "sa:jobs:*", "sa:*:batch", "sa:jobs:batch", "sa:*:*:x*y*z", "a.c")
    subjects = Subjects([SubjectPattern("one", row, Caller(row)) for row in rows])
    found = {
        "sa:jobs:batch": "sa:jobs:batch",
        "sa:jobs:other": "sa:jobs:*",
        "sa:night:batch": "sa:*:batch",
        "sa:jobs:": "sa:jobs:*",
        "sa:n:m:xyyzz": "sa:*:*:x*y*z",
        "sa:n:m:xz": "sa:*",
        "abc": "*",
        "a.c": "a.c",
        "SA:jobs:batch": "*",
        "line\nbreak": "*",
    }
    for _ in range(2):
        for subject, row in found.items():
            caller = subjects.caller_of("one", subject)
            assert caller
            assert caller.name == row
    assert subjects.caller_of("two", "sa:jobs:batch") is None
    many = Subjects([SubjectPattern("one", "*a" * 400 + "b", Caller("many"))])
    # With backtracking this would never end.
    assert many.caller_of("one", "a" * 1_024) is None
    remembered = Subjects([SubjectPattern("one", "*", Caller("all"))])
    assert all(remembered.caller_of("one", str(number)) for number in range(5_000))
