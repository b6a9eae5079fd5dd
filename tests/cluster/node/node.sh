#!/usr/bin/env bash
# A Kubernetes cluster on one machine, without Docker and without a registry:
#
#   node.sh check            tell why a cluster cannot run on this machine, if so
#   node.sh build            compile what is missing in the cache
#   node.sh up [NODES]       build and start it, with one node by default, two for drains
#   node.sh load ARCHIVE...  load images, from archives of `make image-archive`, onto every node
#   node.sh kubectl ...      run kubectl
#   node.sh run COMMAND...   run a command in node 1's network, with KUBECONFIG and kubectl
#   node.sh enter N COMMAND  run a command on node N as root, such as `ctr --namespace k8s.io ...`
#   node.sh down             stop it and remove its state; the cache stays
#   node.sh down-after PID   do so when this process has ended, even if it was killed
#
# Each node is a process tree in namespaces of its own. Its network reaches only the other node, so
# a port forwarded by `run` is open only to commands of `run`. Needs root, Debian 12 and Go 1.26.
# KUBE_CACHE is the folder of the programs, KUBE_STATE that of the running cluster and its logs.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

log() { printf '%s node.sh: %s\n' "$(date +%T)" "$*" >&2; }
fail() { log "$*"; exit 1; }

. "$HERE/places.sh"
. "$HERE/programs.sh"
. "$HERE/configuration.sh"

pid() { cat "$STATE/node-$1/pid"; }
alive() { [[ -s $STATE/node-$1/pid ]] && kill -0 "$(pid "$1")" 2>/dev/null; }
nodes() { local folder; for folder in "$STATE"/node-*/; do [[ ! -d $folder ]] || basename "$folder" | cut -d- -f2; done; }

in_network() { local n=$1; shift; nsenter --target "$(pid "$n")" --net "$@"; }
# become COMMAND...: runs it as `run` does, in place of this process.
become() {
    alive 1 || fail "no cluster runs in $STATE; start one: node.sh up"
    export KUBECONFIG=$STATE/admin.kubeconfig PATH=$CACHE/bin:$PATH
    exec nsenter --target "$(pid 1)" --net "$@"
}
run() { (become "$@"); }
enter() {
    local n=$1
    shift
    nsenter --target "$(pid "$n")" --all env PATH="$CACHE/bin:$CACHE/debian/usr/bin:$PATH" "$@"
}

# The control groups of this process, one path a line.
control_groups() {
    local controllers path
    while IFS=: read -r _ controllers path; do
        [[ ! $controllers ]] || echo "/sys/fs/cgroup/${controllers#name=}${path%/}"
    done </proc/self/cgroup
}

check() {
    local command group
    for command in apt-get dpkg go; do
        hash "$command" 2>/dev/null || fail "needs $command: a cluster runs on Debian 12 with Go 1.26"
    done
    [[ $(control_groups) ]] || fail "needs control groups of version 1, and this machine has only version 2"
    for group in $(control_groups); do
        mkdir "$group/check-$$" 2>/dev/null && rmdir "$group/check-$$" ||
            fail "cannot make a control group in $group; in a container, mount /sys/fs/cgroup writable"
    done
    unshare --mount --net --pid --ipc --uts --cgroup --fork true 2>/dev/null ||
        fail "cannot make Linux namespaces; in a container, run it as a privileged one"
}

start_node() {
    local n=$1 group own
    configure_node "$n"
    : >"$STATE/node-$n/groups"
    (
        for group in $(control_groups); do
            own=$group/$(basename "$STATE")-$n
            echo "$own" >>"$STATE/node-$n/groups"
            mkdir -p "$own"
            if [[ -e $own/cpuset.cpus ]]; then
                cat "$group/cpuset.cpus" >"$own/cpuset.cpus"
                cat "$group/cpuset.mems" >"$own/cpuset.mems"
            fi
            echo "$BASHPID" >"$own/cgroup.procs"
        done
        export KUBE_CACHE=$CACHE KUBE_STATE=$STATE
        exec setsid unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child --mount-proc \
            bash "$HERE/init.sh" "$n" </dev/null >"$STATE/node-$n/init.log" 2>&1
    ) &
    local parent=$! child
    # By its arguments: before unshare, the subshell has other children.
    until child=$(ps -o pid=,args= --ppid "$parent" | awk '/init\.sh/ {print $1}') && [[ $child ]]; do
        kill -0 "$parent" 2>/dev/null || fail "node-$n did not start: $(cat "$STATE/node-$n/init.log")"
        sleep 0.1
    done
    echo "$child" >"$STATE/node-$n/pid"
    if ((n > 1)); then
        until in_network 1 ip link show lan >/dev/null 2>&1; do sleep 0.1; done
        in_network 1 ip link add "node-$n" type veth peer name lan netns "$(pid "$n")"
        in_network 1 ip link set "node-$n" master lan up
    fi
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "$what is not ready in time; see the logs in $STATE/node-*/log"
        sleep 0.5
    done
}

up() {
    local count=${1:-1} n
    check
    build
    [[ -e $STATE/admin.kubeconfig ]] || configure
    for n in $(seq 1 "$count"); do alive "$n" || { log "starting node-$n"; start_node "$n"; }; done
    wait_for 120 "the API server" run kubectl get --raw /readyz
    run kubectl apply --filename "$HERE/coredns.yaml" >/dev/null
    for n in $(seq 1 "$count"); do
        wait_for 120 "node-$n" run kubectl wait --for condition=Ready "node/node-$n" --timeout 1s
    done
    wait_for 120 DNS run kubectl rollout status deployment/coredns --namespace kube-system --timeout 1s
    log "ready: node.sh kubectl get nodes"
}

load() {
    local archive n
    for archive in "$@"; do
        for n in $(nodes); do enter "$n" ctr --namespace k8s.io images import "$(realpath "$archive")"; done
    done
}

down() {
    local n group
    for n in $(nodes | sort -r); do
        if alive "$n"; then
            kill -KILL "$(pid "$n")"
            while alive "$n"; do sleep 0.1; done
        fi
        # An interrupted start leaves processes of which only the groups are known, or not even these.
        [[ -e $STATE/node-$n/groups ]] || continue
        while read -r group; do
            # A group is busy until the last of its processes has been reaped.
            for _ in {1..50}; do
                [[ -d $group ]] || break
                find "$group" -name cgroup.procs -exec cat {} + | xargs --no-run-if-empty kill -KILL 2>/dev/null || true
                find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
            done
        done <"$STATE/node-$n/groups"
    done
    rm -rf "$STATE"
}

down-after() {
    tail --pid="$1" --follow /dev/null
    [[ ! -e $STATE ]] || down
}

[[ $EUID == 0 ]] ||
    fail "needs root to make a cluster; \`make test-cluster KUBECONFIG=FILE\` uses one that exists"
case ${1-} in
check | build | up | load | enter | down | down-after) "$@" ;;
run) become "${@:2}" ;;
kubectl) become "$@" ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '/^set/d'; exit 2 ;;
esac
