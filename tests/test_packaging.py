"""The package's dependencies and the metadata of its wheel."""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import lock
from support.programs import ROOT
from tokenwire.upstreams.langchain.provider import PROVIDERS


def requirements(entries: Iterable[str]) -> list[Requirement]:
    """Return the requirements, without this repository's own distributions."""
    found = map(Requirement, entries)
    return [each for each in found if each.name not in ("tokenwire-client", "tokenwire-demo")]


def without_extras(entries: Iterable[Requirement]) -> set[Requirement]:
    """Return the requirements that apply without any extra."""
    return {each for each in entries if "extra" not in str(each.marker)}


PYPROJECTS: list[dict[str, Any]] = [
    tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))
    for folder in ("", "client", "demo")
]
PYPROJECT, CLIENT, _ = PYPROJECTS
PROJECT = PYPROJECT["project"]
DEPENDENCIES = requirements(PROJECT["dependencies"])
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
ALL = [
    *(each for one in PYPROJECTS for each in requirements(one["project"]["dependencies"])),
    *(each for one in PYPROJECTS for each in requirements(one["build-system"]["requires"])),
    *requirements(PYPROJECT["dependency-groups"]["dev"]),
    *(each for name in PROVIDERS for each in requirements(EXTRAS[name])),
]


def locked(file: str) -> dict[str, Version]:
    """Return the version of each package in a lock file."""
    text = (ROOT / file).read_text("utf-8")
    found = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in found}


def lower_bound(name: str) -> Version:
    """Return the lowest version of a dependency that the client allows."""
    dependencies = requirements(CLIENT["project"]["dependencies"])
    [requirement] = [each for each in dependencies if each.name == name]
    [bound] = [each for each in requirement.specifier if each.operator == ">="]
    return Version(bound.version)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in the same way as for the image."""
    folder = tmp_path_factory.mktemp("wheel")
    command = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True)
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture
def metadata(wheel: Path) -> Message:
    """The metadata of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


@pytest.mark.parametrize("requirement", ALL, ids=str)
def test_every_dependency_has_both_bounds(requirement: Requirement) -> None:
    """Every dependency, for build and development too, has both bounds or an exact version."""
    assert {each.operator for each in requirement.specifier} in ({">=", "<"}, {"=="})


@pytest.mark.parametrize("requirement", ALL, ids=str)
def test_what_is_locked_is_allowed(requirement: Requirement) -> None:
    """The locked version of each dependency is within its bounds."""
    version = locked("requirements-dev.lock")[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version, prereleases=True)


def test_the_server_is_tested_with_what_it_ships_with() -> None:
    """Each package in the server's lock file has the same version in the development lock file."""
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_is_tested_with_what_it_ships_with(provider: str) -> None:
    """A provider's lock has the server's packages and its own, in the versions of the tests."""
    versions = locked(f"requirements-{provider}.lock")
    assert locked("requirements.lock").items() < versions.items()
    assert versions.items() <= locked("requirements-dev.lock").items()
    names = {canonicalize_name(each.name) for each in requirements(EXTRAS[provider])}
    assert names <= versions.keys()


def test_each_provider_is_an_extra_with_a_lock() -> None:
    """Every provider in the table has an extra with its package, and a lock."""
    assert set(EXTRAS) == {"demo", *PROVIDERS}
    assert list(lock.PROVIDERS) == list(PROVIDERS)


def test_the_stubs_work_with_the_oldest_libraries_allowed() -> None:
    """The lower bounds of grpcio and protobuf meet the requirements of the generated code."""
    folder = ROOT / "client" / "tokenwire_client" / "v1"
    calls = (folder / "chatgpt_pb2_grpc.py").read_text("utf-8")
    [asked] = re.findall(r"^GRPC_GENERATED_VERSION = '(.+)'$", calls, re.MULTILINE)
    assert lower_bound("grpcio") >= Version(asked)

    messages = (folder / "chatgpt_pb2.py").read_text("utf-8")
    [asked] = re.findall(r"^# Protobuf Python Version: (.+)$", messages, re.MULTILINE)
    assert lower_bound("protobuf") >= Version(asked)


def test_the_wheel_needs_what_the_project_needs(metadata: Message) -> None:
    """The wheel lists the runtime dependencies with their bounds, and no development ones."""
    needed = requirements(metadata.get_all("Requires-Dist", []))
    assert without_extras(needed) == set(DEPENDENCIES)
    extras = set(metadata.get_all("Provides-Extra", []))
    assert extras == {"demo", *PROVIDERS}
    for each in set(needed) - without_extras(needed):
        assert any(each.marker.evaluate({"extra": name}) for name in PROVIDERS if each.marker)
    assert metadata["Requires-Python"] == PROJECT["requires-python"]


def test_the_wheel_tells_what_it_is(metadata: Message) -> None:
    """The wheel has the project's description, license, keywords, classifiers and URLs."""
    assert metadata["Summary"] == PROJECT["description"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata["Keywords"].split(",")) == set(PROJECT["keywords"])
    assert set(metadata.get_all("Classifier", [])) == set(PROJECT["classifiers"])
    urls = dict(each.split(", ") for each in metadata.get_all("Project-URL", []))
    assert urls == PROJECT["urls"]
    assert {"Repository", "Documentation", "Changelog", "Issues"} <= urls.keys()


def test_the_wheel_has_types_and_license(wheel: Path) -> None:
    """The wheel contains the `py.typed` marker and the license, and no tests or tools."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "tokenwire/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests", "tools")) for name in names)


def test_one_address_stands_for_the_repository() -> None:
    """The project metadata, the contract and the Go modules name the same repository."""
    place = PROJECT["urls"]["Repository"].removeprefix("https://")
    assert all(url.startswith(f"https://{place}") for url in PROJECT["urls"].values())
    contract = (ROOT / "proto/tokenwire/v1/chatgpt.proto").read_text("utf-8")
    modules = [path.read_text("utf-8") for path in ROOT.glob("*/*/go.mod")]
    assert len(modules) == 4
    for text in (contract, *modules):
        assert re.search(rf'^(?:module |option go_package = "){place}/', text, re.MULTILINE)
