"""docs/callers.md, its parts on tokens: files, the pod, commands, code and the table are right."""

import re
from pathlib import Path
from typing import Any

import yaml

from support.fenced import defined_by, fenced
from support.gateway import gateway_world
from support.issuer import IssuerServer
from support.kubernetes_doc import COMMANDS
from support.process import run_tokenwire
from support.programs import ROOT
from tokenwire.access import issuer_keys, key_fetch, token
from tokenwire.config.gateway import load_gateway
from tokenwire.observability.metrics.labels import IssuerFetchResult

DOC = (ROOT / "docs/callers.md").read_text("utf-8")
VALUES = yaml.safe_load((ROOT / "deploy/helm/tokenwire/values.yaml").read_text("utf-8"))
_, POD, CLUSTER, COMPANY = fenced(DOC, "yaml")[:4]
INSTALL, CHAT = [line for block in fenced(DOC, "sh") for line in block.splitlines()][2:4]
FILE = "upstreams: {one: {base_url: http://127.0.0.1:1/v1}}\nmodels: {fast: {routes: one/a}}\n"
OWN = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_the_files_are_valid(tmp_path: Path) -> None:
    """Both files of the page can be used, the cluster's with the files of a pod."""
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE + COMPANY)
    assert load_gateway(path).issuers["company"].issuer == "https://login.example.com"
    issuer = IssuerServer()
    issuer.url = "https://kubernetes.default.svc.cluster.local"
    (tmp_path / "token").write_text(issuer.token())
    # The authority of the cluster has to be a certificate, which other tests have.
    text = re.sub(r"^ +ca_file: .*\n", "", CLUSTER, flags=re.MULTILINE)
    assert f"ca_file: {OWN}/ca.crt" in CLUSTER
    path.write_text(FILE + text.replace(f"{OWN}/token", "token"))
    assert load_gateway(path).issuers["cluster"].issuer == issuer.url


async def test_a_pod_of_the_page_calls(tmp_path: Path) -> None:
    """The pod has a token for the audience of the chart, at the path that code and command use."""
    spec = yaml.safe_load(POD)["spec"]
    [mount] = spec["containers"][0]["volumeMounts"]
    [volume] = spec["volumes"]
    assert mount["name"] == volume["name"]
    [source] = volume["projected"]["sources"]
    wanted = source["serviceAccountToken"]
    assert wanted["audience"] == VALUES["gatewayFile"]["serviceAccounts"]["audience"]
    assert wanted["expirationSeconds"] >= 600
    path = f"{mount['mountPath']}/{wanted['path']}"
    code = fenced(DOC, "python")[1]
    assert path in code
    async with IssuerServer() as issuer:
        (tmp_path / "token").write_text(issuer.token({"aud": [wanted["audience"]]}))
        callers: dict[str, Any] = yaml.safe_load(CLUSTER)["callers"]
        async with gateway_world(
            tmp_path,
            {"fast": {"routes": "one/a"}},
            {"one": {}},
            callers=callers,
            issuers={"cluster": issuer.section()},
        ) as world:
            names = defined_by(code.replace(path, str(tmp_path / "token")))
            answer = await names["ask_as_pod"](world.app.address, "hello")
            assert "built-in demo model" in answer
            command = CHAT.replace(path, str(tmp_path / "token")).split()[1:4]
            done = await run_tokenwire(*command, "--address", world.app.address, "hello")
            assert (done.code, "built-in demo model" in done.stdout) == (0, True)


def test_the_installation_is_that_of_the_other_page() -> None:
    """The command is one of docs/kubernetes.md, whose commands are rendered."""
    assert INSTALL in COMMANDS


def test_the_numbers_are_right() -> None:
    """The limits and results on the page are those of the code."""
    assert token.LEEWAY_SECONDS == 30
    assert token.MAX_TOKEN_BYTES == 8 * 1_024
    assert (issuer_keys.REFRESH_SECONDS, issuer_keys.MIN_SECONDS) == (300, 30)
    assert (issuer_keys.WAIT_SECONDS, key_fetch.FETCH_SECONDS) == (5, 10)
    assert key_fetch.MAX_DOCUMENT_BYTES == 256 * 1_024
    for text in ("30 s for clocks", "8 KiB", "every five minutes", "than every 30 s", "up to 5 s"):
        assert text in DOC
    assert "within 10 s and 256 KiB" in DOC
    rows = re.findall(r"^\| `([a-z_]+)` \|", DOC.split("## Limits")[0], re.MULTILINE)
    assert rows == [result.value for result in IssuerFetchResult]


def test_the_value_is_one_of_the_chart() -> None:
    """The value that the page names is in the chart, and off by default."""
    section = VALUES["gatewayFile"]["serviceAccounts"]
    assert section["enabled"] is False
    assert "gatewayFile.serviceAccounts.enabled=true" in INSTALL
    assert section["jwksUrl"] in CLUSTER
