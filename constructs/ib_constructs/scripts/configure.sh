#!/bin/sh
# Gives K3s its configuration, (re)starts it and waits until it serves; goes back to the last configuration if it does not.
# Needs SERVER_NAME, ROLE, CA_SHA256 (of the cluster's server CA), API_VIP (may be empty).
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit
umask 077

CONFIG=$K3S_CONFIG/config.yaml
MANIFESTS=$K3S_DATA/server/manifests
PREVIOUS=$K3S_CONFIG/previous
API=https://127.0.0.1:6443
CA=$K3S_DATA/server/tls/server-ca.crt

# Our manifests are those named ib-*; the others are K3s's own.
keep_previous() {
  # A copy left by a killed run is the older one, which worked.
  [ ! -d "$PREVIOUS" ] && [ -f "$CONFIG" ] || return 0
  mkdir -p "$PREVIOUS.new/manifests"
  cp "$CONFIG" "$PREVIOUS.new/"
  cp "$MANIFESTS"/ib-*.yaml "$PREVIOUS.new/manifests/" 2>/dev/null || true
  mv "$PREVIOUS.new" "$PREVIOUS"
}

install_files() {
  install -m 0600 "$1/config.yaml" "$CONFIG"
  [ "$ROLE" = server ] || return 0
  mkdir -p "$MANIFESTS"
  rm -f "$MANIFESTS"/ib-*.yaml
  cp "$1"/manifests/* "$MANIFESTS/"
}

serves_our_ca() {
  [ "$(curl -sfk "$API/cacerts" | sha256sum | cut -d ' ' -f 1)" = "$CA_SHA256" ]
}

keeps_our_authorities() {
  [ ! -f "$K3S_CONFIG/authorities.sha256" ] || (cd "$K3S_DATA/server/tls" && sha256sum -c --quiet "$K3S_CONFIG/authorities.sha256")
}

check_server() {
  wait_for "$API/ping answers" 60 curl -sf --cacert "$CA" "$API/ping" &&
    wait_for "the cluster's server CA has the SHA-256 $CA_SHA256" 5 serves_our_ca &&
    wait_for "the authorities in $K3S_DATA/server/tls are those that were installed" 1 keeps_our_authorities &&
    wait_for "the API server is ready (/readyz)" 120 "$K3S_BIN" kubectl get --raw /readyz &&
    # Terraform's own rights: K3s applies manifests some time after it is ready.
    wait_for "the administrators are bound to their rights" 120 "$K3S_BIN" kubectl get clusterrolebinding ib-admins || return 1
  [ -z "$API_VIP" ] || wait_for "the API answers at the VIP $API_VIP" 120 curl -sf --cacert "$CA" "https://$API_VIP:6443/ping"
}

# The unit is of type notify: systemctl returns when K3s says that it is ready, or has exited.
start() {
  if ! timeout 300 systemctl restart k3s; then
    say "check failed: K3s starts" >&2
    return 1
  fi
  [ "$ROLE" != server ] || check_server
}

fall_back() {
  show_journal
  if [ ! -d "$PREVIOUS" ]; then
    # K3s retries for ever: a server that never worked is better off.
    systemctl stop k3s
    rm -f "$CONFIG"
    die "K3s does not come up; correct what is named above and deploy again"
  fi
  install_files "$PREVIOUS"
  start || die "K3s comes up neither with the new configuration nor with the last one"
  rm -rf "$PREVIOUS"
  die "K3s does not come up with the new configuration; it runs with the last one again"
}

unpack_bundle "$STAGE/files"
keep_previous
install_files "$STAGE/files"
start || fall_back
rm -rf "$PREVIOUS"
say "K3s is ready"
