#!/bin/sh
# One server's part in bringing a cluster back, from an etcd snapshot or from what one member has.
# Needs SERVER_NAME, STEP:
#   stop     K3s, also for the next boot: half restored it must not start by itself
#   resume   K3s, with what etcd had: nothing is restored
#   restore  from the file SNAPSHOT as the only member, and start
#   recover  as the only member, with what this one's etcd has, and start
#   rejoin   the restored cluster at JOIN_ADDRESS, with an empty etcd
#   settle   at the server that went back: from now on it may join, and never found (JOIN_ADDRESS)
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit
umask 077

DB=$K3S_DATA/server/db

# Snapshots stay where they are; the rest is put aside once, however often this is run.
put_aside() {
  if [ ! -d "$DB/etcd" ]; then
    # A killed run put it there.
    kept=$(find "$K3S_DATA/server" -maxdepth 1 -name 'etcd-before-restore-*' | sort | tail -n 1)
    return
  fi
  kept=$K3S_DATA/server/etcd-before-restore-$(date -u +%Y%m%dT%H%M%SZ)
  mv "$DB/etcd" "$kept"
  say "what etcd had is kept in $kept"
}

reset() {
  cp -p "$K3S_START" "$STAGE/start.yaml"
  # A reset that did not come to its end forbids the next one.
  rm -f "$DB/reset-flag"
  # K3s refuses a reset on a server that is told to join.
  echo "cluster-init: true" | write_file "$K3S_START" 0600 || true
  # With its configuration's etcd-s3 K3s would look for the file in the bucket, and refuses the bucket's Secret.
  "$K3S_BIN" server --etcd-s3=false --cluster-reset "$@" >"$STAGE/reset.log" 2>&1 || {
    tail -n 20 "$STAGE/reset.log" >&2
    put_back
    return 1
  }
  # What etcd has now is not to be begun anew.
  rm -f "$K3S_FIRST_START"
}

put_back() {
  rm -rf "$DB/etcd"
  mkdir -p "$DB"
  [ -z "$kept" ] || mv "$kept" "$DB/etcd"
  mv "$STAGE/start.yaml" "$K3S_START"
}

# A machine that was installed after the snapshot has another password than its Node has there, and would be turned away.
forget_node_passwords() {
  secrets=$("$K3S_BIN" kubectl get secrets --namespace kube-system -o name | grep '\.node-password\.k3s$') || return 0
  # shellcheck disable=SC2086 # a list of names
  "$K3S_BIN" kubectl delete --namespace kube-system --ignore-not-found $secrets >/dev/null
}

start() {
  systemctl enable --quiet k3s
  start_k3s start "$1" || {
    show_journal
    die "K3s does not start"
  }
  wait_for "the API server is ready (/readyz)" 120 "$K3S_BIN" kubectl get --raw /readyz || {
    show_journal
    die "the API does not answer"
  }
}

case $STEP in
  stop)
    systemctl disable --quiet --now k3s
    say "K3s is stopped"
    ;;
  resume)
    systemctl enable --quiet k3s
    # Each member needs another to start.
    systemctl start --no-block k3s
    say "K3s starts again as it was"
    ;;
  restore)
    [ -f "$SNAPSHOT" ] || die "there is no snapshot $SNAPSHOT"
    put_aside
    reset --cluster-reset-restore-path="$SNAPSHOT" ||
      die "K3s cannot restore $SNAPSHOT, and etcd has what it had. The file may be of another cluster, whose token this one does not have."
    start 1
    forget_node_passwords
    # K3s copies its folder with the keys of all authorities, which are the same before and after (pkg/cluster/bootstrap.go).
    find "$K3S_DATA/server" -maxdepth 1 -name 'tls-[0-9]*' -exec rm -rf {} +
    say "is restored"
    ;;
  recover)
    is_member || die "is no member of etcd, so it has nothing to go on with. Name another server, or restore a snapshot."
    kept=$K3S_DATA/server/etcd-before-restore-$(date -u +%Y%m%dT%H%M%SZ)
    cp -a "$DB/etcd" "$kept" || die "cannot keep a copy of $DB/etcd; nothing was changed"
    say "a copy of what etcd had is kept in $kept"
    reset || die "K3s cannot go on alone with what etcd has here, which is as it was. Name another server, or restore a snapshot."
    start 1
    say "goes on alone"
    ;;
  rejoin)
    put_aside
    echo "server: https://$JOIN_ADDRESS:6443" | write_file "$K3S_START" 0600 || true
    start 90
    say "has joined the cluster"
    ;;
  settle)
    echo "server: https://$JOIN_ADDRESS:6443" | write_file "$K3S_START" 0600 || true
    ;;
esac
