#!/bin/sh
# Makes a Debian machine fit for K3s. Each part converges, and leave.sh takes each away again.
# Needs SERVER_NAME, ROLE, CONTROL_PLANE, HOSTS, SHARED_STORAGE (see the parts).
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
. "$STAGE/packages.sh"
. "$STAGE/kernel.sh"
. "$STAGE/firewall.sh"
. "$STAGE/hosts.sh"
clear_stage_on_exit

# In another role K3s would go on, and join again by itself what it was just taken out of.
stop_other_role() {
  if [ -f "$K3S_UNIT" ] && ! grep -q "^ExecStart=$K3S_BIN $ROLE\$" "$K3S_UNIT"; then
    say "stops K3s, which gets another role"
    systemctl disable --quiet --now k3s
  fi
}

stop_other_role
add_packages
add_kernel
add_firewall
add_hosts
say "is prepared"
