#!/bin/sh
# Checks a server before anything on it is changed, and reports every problem at once.
# Needs SERVER_NAME, FINGERPRINT (this location's identity), NOW (RFC 3339, the clock of the machine Terraform runs on).
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit

problems=0
problem() {
  problems=$((problems + 1))
  say "preflight: $*" >&2
}

check_system() {
  [ "$(uname -m)" = x86_64 ] || problem "the processor is $(uname -m); the pinned K3s binary is for x86_64."
  command -v curl >/dev/null || problem "curl is missing. Install it: apt-get install -y curl"
}

# K3s's certificates are valid from the moment Terraform minted them: a clock behind that refuses all of them.
# Ahead, there is the time that the connection took.
check_clock() {
  theirs=$(date -u -d "$NOW" +%s)
  ours=$(date +%s)
  off=$((ours - theirs))
  [ "$off" -ge -5 ] && [ "$off" -le 120 ] && return
  problem "the clock is $off s off the clock of the machine that deploys (here $(date -u -d "@$ours" +%FT%TZ), there $NOW)." \
    "Set it: apt-get install -y chrony && chronyc makestep (or correct the other machine's)."
}

check_data() {
  reason=$(foreign_data)
  [ -z "$reason" ] || problem "$reason"
}

check_system
check_clock
check_data
[ "$problems" -eq 0 ] || die "preflight found $problems problem(s); nothing was changed on this server"
say "preflight passed"
