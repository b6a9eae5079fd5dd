"""The chart's pods as local processes: their commands, environment and mounted files."""

import re
from pathlib import Path
from typing import Any, Final

import grpc
import trustme

from support.certificates import Pair
from support.cluster import mounted_token, token_of
from support.helm import of_kind, pod_specs, rendering
from tokenwire.cli.keys import hash_of
from tokenwire_client import Client

CA: Final = trustme.CA()
CALLER: Final = Pair(CA, "caller")
KEY: Final = "test"
"""The key of the callers in the ci values files."""


def _tls_secret(name: str) -> dict[str, bytes]:
    pair = Pair(CA, name)
    return {"tls.crt": pair.certificate, "tls.key": pair.key}


# The Secrets that the ci values files refer to, as a user would create them.
SECRETS: Final[dict[str, dict[str, bytes]]] = {
    "openai": {"OPENAI_API_KEY": b"a-key\n", "api-key": b"a-key\n"},
    "answers-upstream": {"OPENAI_API_KEY": b"a-key\n"},
    "llm-tokenwire-upstream": {"OPENAI_API_KEY": b"a-key\n"},
    "llm-tokenwire-tls": _tls_secret("llm-tokenwire.models.svc"),
    "server-certificate": _tls_secret("answers.internal"),
    "callers": {"authority.pem": CA.cert_pem.bytes()},
    "probe-certificate": _tls_secret("probe"),
    "team-a": {"caller-key": b"test\n"},
    # Nothing listens there, so that the server counts for itself.
    "redis": {"redis-url": b"rediss://127.0.0.1:1/0\n"},
}


# The ConfigMaps that they refer to.
MAPS: Final[dict[str, dict[str, str]]] = {
    "kube-root-ca.crt": {"ca.crt": CA.cert_pem.bytes().decode()},
    "corporate": {"ca.crt": CA.cert_pem.bytes().decode()},
    "redis": {"ca.crt": CA.cert_pem.bytes().decode()},
    "gateway": {
        "models.yaml": "upstreams: {gpu: {base_url: http://vllm.models.svc:8000/v1}}\n"
        "models: {fast: {routes: gpu/Qwen/Qwen3-8B}}\n"
    },
}


class Pod:
    """One pod, with its Secrets mounted below a folder.

    Args:
        values: The values file to render the chart with.
        kind: "Deployment", or "Pod" for the pod of `helm test`.
        folder: The folder for the files of its volumes.
    """

    def __init__(self, values: Path, kind: str, folder: Path) -> None:
        self._text = rendering(values)
        [self.spec] = [
            spec
            for name, spec in pod_specs(self._text).items()
            if name.startswith(f"{kind}/") and not name.endswith("-redis")
        ]
        volumes = self.spec.get("volumes", [])
        self._folders = {each["name"]: folder / kind / each["name"] for each in volumes}
        for volume in volumes:
            for source in volume.get("projected", {"sources": [volume]})["sources"]:
                if "secret" in source:
                    _write(source["secret"], self._folders[volume["name"]])
                if "configMap" in source:
                    self._write_map(source["configMap"], self._folders[volume["name"]])
                if "serviceAccountToken" in source:
                    self._write_token(source["serviceAccountToken"], self._folders[volume["name"]])

    @property
    def server(self) -> dict[str, Any]:
        """The container of the server."""
        found: dict[str, Any] = self.spec["containers"][0]
        return found

    @property
    def server_name(self) -> str | None:
        """The name in the server's certificate; None without TLS."""
        flag = re.search(r"- --server-name=(\S+)", self._text)
        return flag[1] if flag else None

    def environment(self) -> dict[str, str]:
        """Return the server's environment, with addresses and files of this machine."""
        every = of_kind(self._text, "ConfigMap")
        maps = {each["metadata"]["name"]: each.get("data", {}) for each in every}
        env: dict[str, str] = {}
        for source in self.server["envFrom"]:
            env |= maps[source["configMapRef"]["name"]]
        env |= {each["name"]: each.get("value", "anything") for each in self.server["env"]}
        env = {name: self._here(self.server, value) for name, value in env.items()}
        return env | {
            "TOKENWIRE_LISTEN": "127.0.0.1:0",
            "TOKENWIRE_METRICS_LISTEN": "127.0.0.1:0",
        }

    def command(self, container: dict[str, Any], words: list[str]) -> list[str]:
        """Return a command of a container, with paths of this machine."""
        return [self._here(container, word) for word in words]

    def caller(self, address: str) -> Client:
        """Return a client that the server accepts."""
        name = self.server_name
        if name is None:
            audience = re.search(r'"audience": "(.+)"', self._text)
            if audience:
                return Client(address, key=token_of("shop", audience[1]))
            return Client(address, key=KEY if hash_of(KEY) in self._text else None)
        return Client(
            address,
            credentials=grpc.ssl_channel_credentials(
                CA.cert_pem.bytes(), CALLER.key, CALLER.certificate
            ),
            options=[("grpc.ssl_target_name_override", name)],
        )

    def _write_map(self, source: dict[str, Any], folder: Path) -> None:
        """Write a ConfigMap, of the chart or of the user, with paths of this machine."""
        folder.mkdir(parents=True, exist_ok=True)
        every = {each["metadata"]["name"]: each for each in of_kind(self._text, "ConfigMap")}
        data = every[source["name"]]["data"] if source["name"] in every else MAPS[source["name"]]
        for item in source.get("items") or [{"key": key, "path": key} for key in data]:
            (folder / item["path"]).write_text(self._all_here(data[item["key"]]))

    def _write_token(self, source: dict[str, Any], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        token = mounted_token(source, self.spec["serviceAccountName"])
        (folder / source["path"]).write_text(token)

    def _all_here(self, text: str) -> str:
        for mount in self.server.get("volumeMounts", []):
            text = text.replace(mount["mountPath"], str(self._folders[mount["name"]]))
        return text

    def _here(self, container: dict[str, Any], text: str) -> str:
        # The longest path first, since /etc/tokenwire is a prefix of another mount path.
        mounts = sorted(container.get("volumeMounts", []), key=lambda each: -len(each["mountPath"]))
        for mount in mounts:
            if text != (
                moved := text.replace(mount["mountPath"], str(self._folders[mount["name"]]))
            ):
                return moved
        return text


def _write(secret: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # A projected volume uses another key for the name.
    content = SECRETS[secret.get("secretName") or secret["name"]]
    for item in secret.get("items") or [{"key": key, "path": key} for key in content]:
        (folder / item["path"]).write_bytes(content[item["key"]])
