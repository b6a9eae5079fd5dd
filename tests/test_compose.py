"""The structure of the compose file and of the files that it mounts; nothing is pulled or run."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from panel_queries import DASHBOARDS
from support.image_sources import TEXT as DOCKERFILE
from support.programs import ROOT
from tokenwire.config import Settings, variables

FOLDER = ROOT / "observability"
COMPOSE = yaml.safe_load((FOLDER / "compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts(service: str) -> dict[str, Path]:
    """Return the mounted files and folders by their paths in the container."""
    found = {}
    for volume in SERVICES[service]["volumes"]:
        source, target, mode = volume.split(":")
        assert mode == "ro"
        found[target] = FOLDER / source
    return found


def loaded(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def test_images_are_pinned() -> None:
    """The tag of each external image is a version."""
    for name, service in SERVICES.items():
        assert re.search(r":v?\d+\.\d+\.\d+$|^tokenwire:local-demo$", service["image"]), name
    assert (FOLDER / SERVICES["tokenwire"]["build"]["context"] / "Dockerfile").exists()
    assert f" AS {SERVICES['tokenwire']['build']['target']}\n" in DOCKERFILE


def test_what_is_mounted_is_there() -> None:
    """Each mounted file or folder exists in the repository and is mounted read-only."""
    for name, service in SERVICES.items():
        if "volumes" in service:
            assert [path for path in mounts(name).values() if not path.exists()] == []


def test_dashboards_are_made_for_the_grafana_that_shows_them() -> None:
    """The Grafana SDK that types the dashboards has the version of the Grafana image."""
    _, _, grafana = SERVICES["grafana"]["image"].rpartition(":")
    sdk = version("grafana-foundation-sdk")
    assert sdk.rpartition("!")[2] == grafana
    assert f'"grafana-foundation-sdk=={sdk}"' in (ROOT / "pyproject.toml").read_text()


def test_ports_are_for_this_machine_only() -> None:
    """Ports are published on 127.0.0.1 only, since the demo has no password."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_everybody_is_called_by_a_name_that_is_there() -> None:
    """Each host that a file of observability/ refers to is a service of the compose file."""
    files = ("compose.yml", "prometheus/prometheus.yml", "grafana/datasources.yml")
    text = "\n".join((FOLDER / name).read_text() for name in files)
    hosts = set(re.findall(r"\b([a-z]+):(?:4317|9464|9090|16686|50051|3000)\b", text))
    assert hosts - {"localhost"} == {"tokenwire", "collector", "jaeger", "prometheus"}
    assert hosts - {"localhost"} <= set(SERVICES)
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= set(SERVICES)


def test_only_the_server_is_asked_for_its_health() -> None:
    """Other containers of the same image have no server that the HEALTHCHECK could probe."""
    ours = {
        name: each for name, each in SERVICES.items() if each["image"] == "tokenwire:local-demo"
    }
    assert {name for name, each in ours.items() if "healthcheck" not in each} == {"tokenwire"}
    assert ours["caller"]["depends_on"]["tokenwire"] == {"condition": "service_healthy"}


def test_the_service_gets_settings_that_it_knows() -> None:
    """Each environment variable of the service is a known setting."""
    known = {name for field in Settings.model_fields for name in variables(field)}
    assert set(SERVICES["tokenwire"]["environment"]) <= known


def test_prometheus_reads_every_rule() -> None:
    """Prometheus loads both rule files from where they are mounted."""
    assert mounts("prometheus") == {"/etc/prometheus": FOLDER / "prometheus"}
    config = loaded("prometheus/prometheus.yml")
    assert config["rule_files"] == ["rules.yml", "alerts.yml"]
    assert [job["job_name"] for job in config["scrape_configs"]] == ["tokenwire"]


def test_grafana_is_provisioned() -> None:
    """Grafana finds the dashboards where they are mounted and links exemplars to traces."""
    [provider] = loaded("grafana/dashboards.yml")["providers"]
    mounted = mounts("grafana")
    assert mounted[provider["options"]["path"]].resolve() == DASHBOARDS
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DASHBOARDS / Path(home).name).exists()
    prometheus, jaeger = loaded("grafana/datasources.yml")["datasources"]
    [link] = prometheus["jsonData"]["exemplarTraceIdDestinations"]
    assert link == {"name": "trace_id", "datasourceUid": jaeger["uid"]}


def test_the_collector_is_the_one_that_is_tested() -> None:
    """The collector's image has the version of the collector that tests build."""
    manifest = yaml.safe_load((ROOT / "tools" / "otelcol" / "manifest.yaml").read_text())
    assert SERVICES["collector"]["image"].endswith(f":{manifest['dist']['version']}")
