# shellcheck shell=sh disable=SC2034 # constants for the scripts that source this
# Sourced by the scripts that run on a server. They need SERVER_NAME and STAGE, the directory they were uploaded to.

K3S_BIN=/usr/local/bin/k3s
K3S_UNIT=/etc/systemd/system/k3s.service
K3S_CONFIG=/etc/rancher/k3s
K3S_DATA=/var/lib/rancher/k3s
K3S_START=$K3S_CONFIG/config.yaml.d/10-start.yaml
K3S_INTERFACE=$K3S_CONFIG/config.yaml.d/20-interface.yaml
# Stands from before the first start of a server's K3s until it was ready: the unit takes it away.
K3S_FIRST_START=$K3S_CONFIG/first-start
# Keeps systemd from starting K3s again.
K3S_HOLD=/run/systemd/system/k3s.service.d/hold.conf
FINGERPRINT_FILE=$K3S_CONFIG/location-identity
# Configuration that only servers in role server have.
CONTROL_PLANE_FILES="admission.yaml audit-policy.yaml authentication.yaml event-rate-limit.yaml"
# What prepare.sh keeps for itself.
PREPARED=/etc/inference-platform

say() {
  printf '%s: %s\n' "$SERVER_NAME" "$*"
}

die() {
  say "$*" >&2
  exit 1
}

# With the rights of a server's own K3s; it ends, whatever the API does.
kubectl() {
  timeout 90 "$K3S_BIN" kubectl --request-timeout=20s "$@"
}

# Whatever happens, nothing of the upload stays, nor of authorities half installed.
clear_stage_on_exit() {
  # Terraform leaves each of its own scripts behind, emptied. A young one may be another session's, about to be written.
  find /root "/home/${SUDO_USER:-root}" -maxdepth 1 -name '.terraform-*.sh' -empty -mmin +5 -delete 2>/dev/null || true
  trap 'rm -rf "$STAGE" "$K3S_DATA/server/tls.new"' EXIT
  trap 'exit 1' HUP INT TERM
}

# Write the files of the uploaded bundle ("<name> <base64>" a line) below $1.
unpack_bundle() {
  while read -r name text; do
    mkdir -p "$1/$(dirname "$name")"
    printf '%s' "$text" | base64 -d > "$1/$name"
  done < "$STAGE/files.bundle"
}

# Write standard input to $1 (mode $2) whole or not at all; says by its status whether that changed anything.
write_file() {
  mkdir -p "$(dirname "$1")"
  # Called where a status is asked for, a function goes on after a failure: a full disk must not empty /etc/hosts.
  { cat > "$1.new" && chmod "$2" "$1.new"; } || die "cannot write $1; it is as it was"
  if cmp -s "$1.new" "$1"; then
    rm "$1.new"
    return 1
  fi
  mv "$1.new" "$1" || die "cannot write $1; it is as it was"
}

# What is in K3s's directory, which may be a disk of its own.
k3s_data() {
  find "$K3S_DATA" -mindepth 1 -maxdepth 1 ! -name lost+found 2>/dev/null
}

# Is this server a member of the cluster's etcd? The files alone do not say: etcd's are there before K3s's own data is in them.
is_member() {
  [ -d "$K3S_DATA/server/db/etcd/member/wal" ] && [ ! -f "$K3S_FIRST_START" ] && ! was_let_go
}

# Did the others take it out of etcd? K3s writes that down, and goes on without etcd until it is restarted.
was_let_go() {
  [ -f "$K3S_DATA/server/db/etcd/tombstone" ]
}

wait_until_let_go() {
  ! is_member || ! systemctl is-active --quiet k3s || wait_for "the others take $SERVER_NAME out of etcd" 90 was_let_go
}

release_k3s() {
  rm -f "$K3S_HOLD"
  systemctl daemon-reload
}

# Why the K3s data on this server is not this location's, or nothing.
foreign_data() {
  [ -n "$(k3s_data)" ] || return 0
  found=$(cat "$FINGERPRINT_FILE" 2>/dev/null) || found=
  # Asked without the state, any location's is its own.
  [ -z "$found" ] || [ "$found" != "${FINGERPRINT:-$found}" ] || return 0
  echo "$K3S_DATA holds the data of another K3s, whose certificates and members this location does not know." \
    "If nothing of it is needed, remove it on this server (k3s-uninstall.sh, then rm -rf $K3S_DATA $K3S_CONFIG) and deploy again."
}

# wait_for <what> <seconds> <command …>: poll until the command succeeds.
wait_for() {
  what=$1
  deadline=$(($(date +%s) + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ "$(date +%s)" -ge "$deadline" ]; then
      say "check failed: $what" >&2
      return 1
    fi
    sleep 1
  done
}

# start_k3s <start|restart> <seconds>: the unit is of type notify, so systemctl returns when K3s says that it is ready, or
# has exited. One that may succeed later exits as well, and systemd starts it again: so long may that take.
start_k3s() {
  timeout 300 systemctl "$1" k3s || wait_for "K3s starts" "$2" systemctl is-active --quiet k3s
}

show_journal() {
  say "the last lines of K3s's journal:" >&2
  journalctl -u k3s -n 25 --no-pager -o cat >&2 || true
}
