#!/bin/sh
# A server that leaves, or gets another role, gives up its K3s in two steps, before and after its Node is deleted.
# Needs SERVER_NAME, ROLE (that it is to have; empty: none), STEP:
#   hold   K3s goes on, and does not start again: without its Node it would join again by itself, and be counted on by etcd
#   stop   K3s, once etcd does without it
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit

keeps_its_role() {
  [ ! -f "$K3S_UNIT" ] || grep -q "^ExecStart=$K3S_BIN $ROLE\$" "$K3S_UNIT"
}

case $STEP in
  hold)
    if keeps_its_role; then
      # As may have been asked for, and taken back.
      [ ! -f "$K3S_HOLD" ] || release_k3s
      exit 0
    fi
    # Gone with the next boot: who never comes to the second step is not to be without K3s.
    mkdir -p "${K3S_HOLD%/*}"
    printf '[Service]\nRestart=no\n' > "$K3S_HOLD"
    systemctl daemon-reload
    ;;
  stop)
    ! keeps_its_role || exit 0
    wait_until_let_go ||
      die "is still a member of etcd, and stays a server: stopped now, it could take the majority along. If none of the servers of" \
        "the location file was one before, make them servers first, deploy, and take $SERVER_NAME out then. Else start K3s on the others."
    say "stops K3s, which gets another role"
    systemctl disable --quiet --now k3s
    ;;
esac
