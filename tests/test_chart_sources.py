"""The chart's copies match their sources."""

import json
import re

import yaml

from chart import CHART, DASHBOARDS, SET_BY_THE_CHART, rule_files
from support.programs import ROOT
from tokenwire import __version__
from tokenwire.config import Settings, variables
from tokenwire.config.files import names_of
from tokenwire.config.providers import PROVIDER_SETTINGS

FILES = ROOT / CHART / "files"
RESOLUTION_SECONDS = 30
"""The time for which gRPC's clients do not resolve a name again, by default."""


def test_the_chart_has_the_projects_version() -> None:
    """Chart and image have the version of the package."""
    head = yaml.safe_load((ROOT / CHART / "Chart.yaml").read_text("utf-8"))
    assert (head["version"], head["appVersion"]) == (__version__, __version__)


def test_the_chart_packages_every_rule_and_dashboard_and_nothing_else() -> None:
    """The chart contains every file of rules and dashboards, and no others."""
    rules = {path.name for path in rule_files()}
    dashboards = {path.name for path in (ROOT / DASHBOARDS).glob("*.json")}
    assert {path.name for path in (FILES / "rules").glob("*")} == rules
    assert {path.name for path in (FILES / "dashboards").glob("*")} == dashboards
    assert rules
    assert dashboards


def test_every_setting_is_a_value() -> None:
    """The schema contains each setting except those that the chart sets itself."""
    schema = json.loads((ROOT / CHART / "values.schema.json").read_text("utf-8"))
    known = set(schema["properties"]["settings"]["properties"])
    for field in Settings.model_fields:
        assert (set(variables(field)) <= known) == (field not in SET_BY_THE_CHART), field


def test_every_address_of_a_provider_is_a_value() -> None:
    """The schema contains the providers' addresses; the chart mounts keys by their names."""
    schema = json.loads((ROOT / CHART / "values.schema.json").read_text("utf-8"))
    known = set(schema["properties"]["settings"]["properties"])
    helpers = (ROOT / CHART / "templates" / "_helpers.tpl").read_text("utf-8")
    for provider, settings in PROVIDER_SETTINGS.items():
        key, *_ = names_of(settings.model_fields["api_key"])
        assert set(names_of(settings.model_fields["base_url"])) <= known
        assert key not in known
        assert f'"{provider}" "{key}"' in helpers


def test_the_default_of_the_grace_period_is_the_services() -> None:
    """The chart's default of the grace period equals that of the service."""
    values = yaml.safe_load((ROOT / CHART / "values.yaml").read_text("utf-8"))
    default = Settings.model_fields["grace_seconds"].default
    assert values["settings"]["TOKENWIRE_GRACE_SECONDS"] == default


def test_pods_stay_for_longer_than_clients_keep_addresses() -> None:
    """A pod drains, and a rollout waits, for longer than gRPC takes to resolve a name again."""
    values = yaml.safe_load((ROOT / CHART / "values.yaml").read_text("utf-8"))
    assert values["settings"]["TOKENWIRE_DRAIN_SECONDS"] > RESOLUTION_SECONDS
    assert values["minReadySeconds"] > RESOLUTION_SECONDS


def test_no_registry_is_named() -> None:
    """The image's default name contains no registry."""
    values = yaml.safe_load((ROOT / CHART / "values.yaml").read_text("utf-8"))
    assert values["image"]["registry"] == ""
    assert re.fullmatch(r"\w+", values["image"]["repository"])
