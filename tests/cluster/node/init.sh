#!/usr/bin/env bash
# Process 1 of a node: init.sh N. node.sh starts it in namespaces of its own.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/places.sh"

n=$1 folder=$STATE/node-$1 pki=$STATE/pki

# keep NAME COMMAND...: runs a command, and runs it again when it ends.
keep() {
    local name=$1
    shift
    while :; do
        "$@" >>"/var/log/$name.log" 2>&1 || true
        echo "init.sh: $name ended" >>"/var/log/$name.log"
        sleep 1
    done &
}

mount_files() {
    local controllers name line
    mount --make-rshared /
    # /sys of this network, and the control groups from this node's own downwards.
    umount --recursive --lazy /sys
    mount -t sysfs sysfs /sys
    mount -t tmpfs tmpfs /sys/fs/cgroup
    while IFS=: read -r _ controllers _; do
        [[ $controllers ]] || continue
        name=${controllers#name=}
        mkdir "/sys/fs/cgroup/$name"
        mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$name"
    done </proc/self/cgroup
    # The machine's settings are read-only, except those of this network.
    mount --bind /proc/sys /proc/sys
    mount --bind /proc/sys/net /proc/sys/net
    mount -o remount,bind,ro /proc/sys
    mount -t tmpfs tmpfs /run
    mkdir -p /run/netns /run/lock /run/sysctl
    # The kubelet ends if it must change these and cannot, so it sees the values that it wants.
    for line in kernel/panic=10 kernel/panic_on_oops=1 vm/overcommit_memory=1 vm/panic_on_oom=0; do
        name=/run/sysctl/$(basename "${line%=*}")
        echo "${line#*=}" >"$name"
        mount --bind "$name" "/proc/sys/${line%=*}"
    done
    mount --bind "$folder/lib" /var/lib
    mount --bind "$folder/log" /var/log
    mkdir -p /var/log/pods /var/log/containers
}

join_network() {
    local other
    ip link set lo up
    if ((n == 1)); then
        ip link add lan type bridge
        ip link set lan up
        ip address add "$LAN.11/24" dev lan
    else
        until ip link show lan >/dev/null 2>&1; do sleep 0.1; done
        ip address add "$LAN.1$n/24" dev lan
        ip link set lan up
    fi
    # No interface has the addresses of Services, and kube-proxy sees only packets with a route.
    ip route add "$SERVICES.0.0/16" dev lan
    echo 1 >/proc/sys/net/ipv4/ip_forward
    for other in $(seq 1 9); do
        ((other == n)) || ip route add "$PODS.$other.0/24" via "$LAN.1$other" dev lan onlink
    done
}

start_control_plane() {
    keep etcd etcd --data-dir /run/etcd --logger zap --log-level warn
    keep kube-apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 \
        --advertise-address "$LAN.11" --service-cluster-ip-range "$SERVICES.0.0/16" \
        --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
        --client-ca-file "$pki/ca.crt" --authorization-mode Node,RBAC --allow-privileged \
        --enable-admission-plugins NodeRestriction \
        --kubelet-client-certificate "$pki/apiserver-kubelet.crt" --kubelet-client-key "$pki/apiserver-kubelet.key" \
        --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$pki/accounts.key" --service-account-signing-key-file "$pki/accounts.key" \
        --requestheader-client-ca-file "$pki/ca.crt" --requestheader-allowed-names aggregator \
        --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
        --requestheader-extra-headers-prefix X-Remote-Extra- \
        --proxy-client-cert-file "$pki/aggregator.crt" --proxy-client-key-file "$pki/aggregator.key"
    # Autoscalers look every 2 s in place of 15, which saves tests half a minute.
    keep kube-controller-manager kube-controller-manager --kubeconfig "$STATE/kube-controller-manager.kubeconfig" \
        --horizontal-pod-autoscaler-sync-period 2s \
        --leader-elect=false --use-service-account-credentials --root-ca-file "$pki/ca.crt" \
        --service-account-private-key-file "$pki/accounts.key"
    keep kube-scheduler kube-scheduler --kubeconfig "$STATE/kube-scheduler.kubeconfig" --leader-elect=false
}

# Sends the first packet of each connection of a pod to the policies, once it is known where it goes.
# Without them, and from this node's own programs such as the kubelet, it is let through.
queue_connections() {
    local direction
    iptables -t mangle -A POSTROUTING -m owner --uid-owner 0 -j RETURN
    for direction in --source --destination; do
        iptables -t mangle -A POSTROUTING "$direction" "$PODS.0.0/16" -m conntrack --ctstate NEW \
            -j NFQUEUE --queue-num 100 --queue-bypass
    done
    # Also to the API server, if it is on the same node.
    iptables -t mangle -A INPUT --source "$PODS.0.0/16" -m conntrack --ctstate NEW \
        -j NFQUEUE --queue-num 100 --queue-bypass
}

start_node_programs() {
    local archive
    keep containerd containerd --config "$folder/containerd.toml"
    until ctr version >/dev/null 2>&1; do sleep 0.2; done
    for archive in "$STATE"/images/*.tar; do ctr --namespace k8s.io images import "$archive" >/dev/null; done
    keep kubelet kubelet --config "$folder/kubelet.yaml" --kubeconfig "$STATE/node-$n.kubeconfig" \
        --hostname-override "node-$n" --node-ip "$LAN.1$n"
    keep kube-proxy kube-proxy --config "$folder/proxy.yaml"
    queue_connections
    keep policies policies --kubeconfig "$STATE/admin.kubeconfig" --node "node-$n" --queue 100
}

hostname "node-$n"
mount_files
join_network
export PATH=$CACHE/bin:$CACHE/debian/usr/bin:$PATH
ulimit -n "$(ulimit -Hn)"
((n > 1)) || start_control_plane
start_node_programs
while :; do wait || true; done
