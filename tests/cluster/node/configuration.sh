# The certificates and configuration files of a cluster, below $STATE.

# certificate NAME SUBJECT [ALTERNATIVE-NAMES]
certificate() {
    openssl req -x509 -CA "$STATE/pki/ca.crt" -CAkey "$STATE/pki/ca.key" -days 30 -nodes \
        -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj "$2" -addext basicConstraints=CA:FALSE \
        -addext extendedKeyUsage=clientAuth,serverAuth ${3:+-addext "subjectAltName=$3"} \
        -keyout "$STATE/pki/$1.key" -out "$STATE/pki/$1.crt" 2>/dev/null
}

# kubeconfig NAME: of the client with this certificate
kubeconfig() {
    cat >"$STATE/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: node, cluster: {server: "https://$LAN.11:6443", certificate-authority: $STATE/pki/ca.crt}}]
users: [{name: $1, user: {client-certificate: $STATE/pki/$1.crt, client-key: $STATE/pki/$1.key}}]
contexts: [{name: node, context: {cluster: node, user: $1}}]
current-context: node
END
}

configure() {
    mkdir -p "$STATE/pki"
    openssl req -x509 -days 30 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=node-ca \
        -keyout "$STATE/pki/ca.key" -out "$STATE/pki/ca.crt" 2>/dev/null
    openssl genrsa -out "$STATE/pki/accounts.key" 2048 2>/dev/null
    certificate apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$LAN.11,IP:$SERVICES.0.1"
    certificate admin /O=system:masters/CN=admin
    certificate apiserver-kubelet /O=system:masters/CN=kube-apiserver
    certificate aggregator /CN=aggregator
    certificate kube-controller-manager /CN=system:kube-controller-manager
    certificate kube-scheduler /CN=system:kube-scheduler
    certificate kube-proxy /CN=system:kube-proxy
    local name
    for name in admin kube-controller-manager kube-scheduler kube-proxy; do kubeconfig "$name"; done
    echo "nameserver 127.0.0.1" >"$STATE/resolv.conf"
    mkdir "$STATE/images"
    python3 "$HERE/image.py" "$PAUSE" "$STATE/images/pause.tar" "$CACHE/bin/pause"
    python3 "$HERE/image.py" "$DNS" "$STATE/images/coredns.tar" "$CACHE/bin/coredns"
}

configure_node() {
    local n=$1 folder=$STATE/node-$1
    # No bridge: the node routes also what one of its pods sends another, so that policies see it.
    mkdir -p "$folder"/{lib/etcd,log,net.d}
    certificate "node-$n" "/O=system:nodes/CN=system:node:node-$n" "DNS:node-$n,IP:$LAN.1$n"
    kubeconfig "node-$n"
    cat >"$folder/net.d/10-pods.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "ptp",
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$PODS.$n.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
    cat >"$folder/containerd.toml" <<END
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE"
  # Root may lack CAP_SYS_RESOURCE; without this, runc ends with "can't get final child's PID".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$CACHE/debian/usr/lib/cni"
    conf_dir = "$folder/net.d"
END
    cat >"$folder/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $LAN.1$n
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $STATE/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $STATE/pki/node-$n.crt
tlsPrivateKeyFile: $STATE/pki/node-$n.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
failSwapOn: false
# Without it, the kubelet changes /proc/sys, which is read-only here, and ends.
featureGates: {KubeletInUserNamespace: true}
clusterDNS: [$SERVICES.0.10]
clusterDomain: cluster.local
resolvConf: $STATE/resolv.conf
# Mounted ConfigMaps and Secrets are then at most about 10 s old, which saves tests a minute.
syncFrequency: 10s
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
END
    cat >"$folder/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: node-$n
clusterCIDR: $PODS.0.0/16
bindAddress: $LAN.1$n
clientConnection: {kubeconfig: $STATE/kube-proxy.kubeconfig}
conntrack: {maxPerCore: 0, tcpCloseWaitTimeout: 0s, tcpEstablishedTimeout: 0s}
END
}
