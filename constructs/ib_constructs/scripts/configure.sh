#!/bin/sh
# Gives K3s its configuration, (re)starts it and waits until it serves; goes back to the last configuration if it does not.
# Needs SERVER_NAME, ROLE, CA_SHA256 (of the cluster's server CA), API_VIP (may be empty).
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit
umask 077

CONFIG=$K3S_CONFIG/config.yaml
API=https://127.0.0.1:6443
CA=$K3S_DATA/server/tls/server-ca.crt

install_files() {
  unpack_bundle "$STAGE/files"
  # A copy left by a killed run is the older one, which worked.
  [ -f "$CONFIG.previous" ] || [ ! -f "$CONFIG" ] || cp "$CONFIG" "$CONFIG.previous"
  install -m 0600 "$STAGE/files/config.yaml" "$CONFIG"
  if [ -d "$STAGE/files/manifests" ]; then
    mkdir -p "$K3S_DATA/server/manifests"
    cp "$STAGE/files/manifests/"* "$K3S_DATA/server/manifests/"
  fi
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
    wait_for "the API server is ready (/readyz)" 120 "$K3S_BIN" kubectl get --raw /readyz || return 1
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
  if [ ! -f "$CONFIG.previous" ]; then
    # K3s retries for ever: a server that never worked is better off.
    systemctl stop k3s
    rm -f "$CONFIG"
    die "K3s does not come up; correct what is named above and deploy again"
  fi
  mv "$CONFIG.previous" "$CONFIG"
  start || die "K3s comes up neither with the new configuration nor with the last one"
  die "K3s does not come up with the new configuration; it runs with the last one again"
}

install_files
start || fall_back
rm -f "$CONFIG.previous"
say "K3s is ready"
