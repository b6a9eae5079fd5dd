# The programs of a cluster: from Debian's packages, and compiled from Go modules into $CACHE.

VERSION=v1.34.4 # of Kubernetes; also in ../go.mod
EXTRACTED=(etcd-server containerd containernetworking-plugins)
INSTALLED=(runc nftables iptables conntrack openssl iproute2 procps util-linux)
COMMANDS=(runc nft iptables conntrack openssl ip ps nsenter)
PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl)

debian_packages() {
    local command missing=()
    for command in "${COMMANDS[@]}"; do hash "$command" 2>/dev/null || missing+=("$command"); done
    if ((${#missing[@]})); then
        log "installing Debian packages for ${missing[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${INSTALLED[@]}" >/dev/null
    fi
    # These are extracted, because their installation would start services.
    [[ -e $CACHE/debian/.ready ]] && return
    log "extracting ${EXTRACTED[*]}"
    rm -rf "$CACHE/debian" && mkdir -p "$CACHE/debian/debs"
    cd "$CACHE/debian/debs"
    apt-get download -qq "${EXTRACTED[@]}" || { apt-get update -qq && apt-get download -qq "${EXTRACTED[@]}"; }
    local deb
    for deb in *.deb; do dpkg --extract "$deb" "$CACHE/debian"; done
    cd "$HERE"
    rm -r "$CACHE/debian/debs"
    touch "$CACHE/debian/.ready"
}

# Optimized, and with what debuggers need, it takes twice the time. A program runs for minutes, so it
# does not win that back. The standard library is optimized, because all others wait for it.
COMPILER=(-gcflags "all=-dwarf=false -l" -gcflags "std=-dwarf=false")

# go_build FOLDER [LDFLAGS]: compiles again only after a change of its sources, its flags or Go.
go_build() {
    local out=$CACHE/bin/$1 pin
    pin=$(cat "$HERE"/../go.* "$HERE/$1"/* <(echo "${COMPILER[@]}" "${2-}"; go env GOVERSION) | sha256sum)
    [[ -x $out && $(cat "$out.pin" 2>/dev/null) == "$pin" ]] && return
    log "compiling $1"
    # The compiler collects its garbage only when it has taken much memory, which saves a fifth.
    # The file is renamed when it is complete: another process may wait for it.
    GOGC=off GOMEMLIMIT=2GiB CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false \
        go build -C "$HERE/$1" -p 2 -trimpath "${COMPILER[@]}" -ldflags "-s -w ${2-}" -o "$out.new" .
    mv "$out.new" "$out"
    echo "$pin" >"$out.pin"
}

build() {
    mkdir -p "$CACHE/bin"
    # A second build waits for the first one.
    exec {lock}>"$CACHE/lock"
    flock "$lock"
    debian_packages
    local package name flags=""
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=$VERSION -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<<"$VERSION")"
    done
    go_build kube "$flags"
    for name in "${PROGRAMS[@]}"; do ln -sf kube "$CACHE/bin/$name"; done
    go_build pause
    go_build coredns
    go_build policies
    exec {lock}>&-
}
