#!/bin/sh
# Stops a K3s that runs in another role than the server is to have. Its Node was just deleted: left running, it would join again
# by itself, and be counted on by etcd when prepare.sh stops it.
# Needs SERVER_NAME, ROLE.
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit

if [ -f "$K3S_UNIT" ] && ! grep -q "^ExecStart=$K3S_BIN $ROLE\$" "$K3S_UNIT"; then
  say "stops K3s, which gets another role"
  systemctl disable --quiet --now k3s
fi
