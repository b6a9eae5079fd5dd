"""The fields of the restricted Pod Security profile, as documented by Kubernetes."""

from collections.abc import Iterator
from typing import Any, Final

VOLUMES: Final = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SECCOMP: Final = {"RuntimeDefault", "Localhost"}
APPARMOR: Final = {"RuntimeDefault", "Localhost", None}
SELINUX: Final = {"container_t", "container_init_t", "container_kvm_t", "container_engine_t", None}
SYSCTLS: Final = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
}


def violations(pod: dict[str, Any]) -> list[str]:
    """Return a line for each field of a pod's spec that the profile does not allow."""
    return [
        *_of_pod(pod),
        *(line for each in _containers(pod) for line in _of_container(pod, each)),
    ]


def _of_pod(pod: dict[str, Any]) -> Iterator[str]:
    context = pod.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield field
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "securityContext.windowsOptions.hostProcess"
    for volume in pod.get("volumes", []):
        if not VOLUMES & volume.keys():
            yield f"volumes: {volume['name']}"
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"securityContext.sysctls: {sysctl['name']}"


def _containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, [])


def _of_container(pod: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    # The pod's context applies where the container sets nothing.
    context = {**pod.get("securityContext", {}), **own}
    capabilities = own.get("capabilities", {})
    wrong = {
        "privileged": own.get("privileged", False),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
        "capabilities.drop": "ALL" not in capabilities.get("drop", []),
        "capabilities.add": bool(set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}),
        "runAsNonRoot": context.get("runAsNonRoot") is not True,
        "runAsUser": context.get("runAsUser") == 0,
        "seccompProfile": context.get("seccompProfile", {}).get("type") not in SECCOMP,
        "appArmorProfile": context.get("appArmorProfile", {}).get("type") not in APPARMOR,
        "seLinuxOptions.type": context.get("seLinuxOptions", {}).get("type") not in SELINUX,
        "seLinuxOptions.user": bool(context.get("seLinuxOptions", {}).get("user")),
        "seLinuxOptions.role": bool(context.get("seLinuxOptions", {}).get("role")),
        "procMount": own.get("procMount", "Default") != "Default",
        "hostPort": any(port.get("hostPort") for port in container.get("ports", [])),
    }
    for hook in container.get("lifecycle", {}).values():
        if any(handler.get("host") for handler in hook.values() if isinstance(handler, dict)):
            wrong["lifecycle host"] = True
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        handlers = (container.get(probe, {}).get(kind, {}) for kind in ("httpGet", "tcpSocket"))
        if any(handler.get("host") for handler in handlers):
            wrong[f"{probe} host"] = True
    yield from (f"{container['name']}: {field}" for field, bad in wrong.items() if bad)
