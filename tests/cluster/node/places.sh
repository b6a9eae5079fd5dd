# Where the files of a cluster are, and its addresses and images.

REPOSITORY=$(cd "$HERE/../../.." && pwd)
CACHE=$(realpath --canonicalize-missing "${KUBE_CACHE:-$REPOSITORY/.tools/kube}")
STATE=$(realpath --canonicalize-missing "${KUBE_STATE:-${TMPDIR:-/tmp}/tokenwire-cluster}")

LAN=10.200.0   # node N is .1N
PODS=10.244    # the pods of node N are in .N.0/24
SERVICES=10.96 # .0.0/16
PAUSE=local/pause:1
DNS=local/coredns:1
