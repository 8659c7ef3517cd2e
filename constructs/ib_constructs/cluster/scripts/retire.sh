#!/bin/sh
# Runs on a server that stays, whose K3s is the way to the API: drains a Node and deletes it, and with it the etcd member.
# Needs SERVER_NAME (the server it runs on), NODE, INSTALLATION (a Node that carries this label value stays; empty: none does,
# and what cannot be done is left, since the location goes on without the server).
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit

# To go on, a server that takes this name needs what had it before to be gone.
give_up() {
  say "$*" >&2
  if [ -z "$INSTALLATION" ]; then exit 0; else exit 1; fi
}

# A Node that is gone already, or is this very installation's, is left alone.
is_to_go() {
  label=$(kubectl get node "$NODE" -o 'jsonpath={.metadata.labels.inferencebros\.com/installation}' 2>"$STAGE/error") || {
    grep -q NotFound "$STAGE/error" || give_up "cannot ask the API for node $NODE ($(head -n 1 "$STAGE/error")). If it is still listed, delete it: kubectl delete node $NODE"
    return 1
  }
  [ -z "$INSTALLATION" ] || [ "$label" != "$INSTALLATION" ]
}

# Does etcd list a member of that name? Asked as a server that joins asks.
is_listed() {
  printf 'user = "%s"\n' "$(sed 's/.*:://' "$K3S_CONFIG/server-token")" |
    curl -sf --max-time 10 --config - --cacert "$K3S_DATA/server/tls/server-ca.crt" https://127.0.0.1:6443/db/info |
    grep -q "\"name\": *\"$NODE-[0-9a-f]*\""
}

drain() {
  say "drains $NODE (at most 60 s)"
  kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout=60s >"$STAGE/drain.log" 2>&1 && return
  say "$NODE could not be drained in time; the rest of its pods end with it:" >&2
  # Names the pods, and the disruption budget that keeps them.
  grep -i 'error\|disruption budget' "$STAGE/drain.log" | sort -u >&2 || tail -n 5 "$STAGE/drain.log" >&2
}

# Where the whole location ends, every server is asked of every one.
[ "$NODE" != "$SERVER_NAME" ] || exit 0
if [ ! -f "$K3S_CONFIG/k3s.yaml" ]; then
  say "no K3s is here that could let $NODE go"
  exit 0
fi
if ! systemctl is-active --quiet k3s; then
  give_up "K3s does not run here, so that node $NODE may still be there. Start it (systemctl start k3s) and deploy again."
fi
# One Node after another: etcd must find a majority for each member that leaves.
exec 9> /run/inference-platform/retire.lock
flock -w 600 9 || die "another removal of a node has not come to an end in 600 s"
if is_to_go; then
  drain
  # Returns when K3s's controllers have let go, the etcd member included.
  if kubectl delete node "$NODE" --timeout=60s >"$STAGE/delete.log" 2>&1; then
    say "node $NODE is deleted"
  else
    cat "$STAGE/delete.log" >&2
    give_up "node $NODE is still there. When the cluster is well: kubectl delete node $NODE"
  fi
elif [ -n "$label" ]; then
  exit 0
fi
if is_listed; then
  give_up "etcd still has a member of $NODE, whose Node is gone. It goes by itself within five minutes if it never was a full one;" \
    "deploy again then. If it stays: make recover SERVER=$SERVER_NAME"
fi
