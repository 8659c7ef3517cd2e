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

add_packages
add_kernel
add_firewall
add_hosts
say "is prepared"
