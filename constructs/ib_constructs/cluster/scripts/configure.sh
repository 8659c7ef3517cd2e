#!/bin/sh
# Gives K3s its configuration, (re)starts it and waits until it serves; goes back to the last configuration if it does not.
# Needs SERVER_NAME, SERVER_IP, ROLE, INSTALLATION (label value of the Node), CA_SHA256 (of the cluster's server CA), API_VIP (may be
# empty), PEERS (addresses of the other servers in role server), JOIN_ADDRESS.
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit
umask 077

MANIFESTS=$K3S_DATA/server/manifests
PREVIOUS=$K3S_CONFIG/previous
API=https://127.0.0.1:6443
CA=$K3S_DATA/server/tls/server-ca.crt
ADMIN=$K3S_DATA/server/tls/client-admin

# Of K3s's configuration, what this script writes; config.yaml.d/ also has what install.sh does.
FILES="config.yaml registries.yaml ${K3S_INTERFACE#"$K3S_CONFIG/"} $CONTROL_PLANE_FILES"

# Our files of both kinds below $1: etc/ for K3s's configuration, manifests/ for its objects (ours are those named ib-*).
collect() {
  mkdir -p "$1/etc/config.yaml.d" "$1/manifests"
  for file in $FILES; do
    [ ! -f "$K3S_CONFIG/$file" ] || cp -p "$K3S_CONFIG/$file" "$1/etc/$file"
  done
  cp -p "$K3S_CONFIG"/registry-*.pem "$1/etc/" 2>/dev/null || true
  cp -p "$MANIFESTS"/ib-*.yaml "$1/manifests/" 2>/dev/null || true
}

keep_previous() {
  # A copy left by a killed run is the older one, which worked.
  [ ! -d "$PREVIOUS" ] && [ -f "$K3S_CONFIG/config.yaml" ] || return 0
  rm -rf "$PREVIOUS.new"
  collect "$PREVIOUS.new"
  mv "$PREVIOUS.new" "$PREVIOUS"
}

install_files() {
  for file in $FILES; do
    if [ -f "$1/etc/$file" ]; then
      install -m 0600 "$1/etc/$file" "$K3S_CONFIG/$file"
    else
      rm -f "$K3S_CONFIG/$file"
    fi
  done
  rm -f "$K3S_CONFIG"/registry-*.pem
  for file in "$1"/etc/registry-*.pem; do
    [ ! -f "$file" ] || install -m 0600 "$file" "$K3S_CONFIG/"
  done
  [ "$ROLE" = server ] || return 0
  mkdir -p "$MANIFESTS" "$K3S_DATA/server/logs"
  rm -f "$MANIFESTS"/ib-*.yaml
  cp "$1"/manifests/* "$MANIFESTS/"
}

# K3s applies manifests and never takes their objects away.
delete_withdrawn() {
  for file in "$PREVIOUS"/manifests/ib-*.yaml; do
    if [ -f "$file" ] && [ ! -f "$MANIFESTS/${file##*/}" ]; then
      "$K3S_BIN" kubectl delete --ignore-not-found -f "$file" || say "the objects of ${file##*/} are still in the cluster" >&2
    fi
  done
}

# Every Node and Service has its address out of them, for good.
check_cluster_networks_stay() {
  [ "$ROLE" = server ] && is_member && [ -f "$K3S_CONFIG/config.yaml" ] || return 0
  for key in cluster-cidr service-cidr; do
    was=$(sed -n "s/^$key: //p" "$K3S_CONFIG/config.yaml") is=$(sed -n "s/^$key: //p" "$STAGE/files/etc/config.yaml")
    [ -n "$was" ] || case $key in cluster-cidr) was=10.42.0.0/16 ;; *) was=10.43.0.0/16 ;; esac # K3s's own
    [ "$was" = "${is:-$was}" ] ||
      die "$key is $was, and a cluster that lives cannot change it to $is. Write $was into the location file again;" \
        "other networks take a cluster made anew, and a restore of what was in this one."
  done
}

# flannel takes the wire of the default route, unless it is told which one the servers share.
add_interface() {
  interface=$(ip -o -4 address show to "$SERVER_IP/32" | awk '{ print $2; exit }')
  [ -n "$interface" ] || die "$SERVER_IP is no address of this machine; correct ip of $SERVER_NAME in the location file"
  mkdir -p "$STAGE/files/etc/config.yaml.d"
  echo "flannel-iface: $interface" > "$STAGE/files/etc/${K3S_INTERFACE#"$K3S_CONFIG/"}"
}

# With one of three away already, a restart would stop the whole cluster.
check_others_are_up() {
  is_member && systemctl is-active --quiet k3s || return 0
  for peer in $PEERS; do
    in_cluster=$("$K3S_BIN" kubectl get nodes -l node-role.kubernetes.io/etcd -o 'jsonpath={.items[*].status.addresses[*].address}' 2>/dev/null) || return 0
    case " $in_cluster " in *" $peer "*) ;; *) continue ;; esac
    # /ping answers without etcd, too.
    curl -sf --max-time 10 --cacert "$CA" --cert "$ADMIN.crt" --key "$ADMIN.key" -o /dev/null "https://$peer:6443/readyz" ||
      die "K3s is not restarted here: the API of the server $peer is not ready, and etcd could lose its majority." \
        "Repair that server first, or take it out of the location file."
  done
}

serves_our_ca() {
  [ "$(curl -sfk "$API/cacerts" | sha256sum | cut -d ' ' -f 1)" = "$CA_SHA256" ]
}

keeps_our_authorities() {
  [ ! -f "$K3S_CONFIG/authorities.sha256" ] || (cd "$K3S_DATA/server/tls" && sha256sum -c --quiet "$K3S_CONFIG/authorities.sha256")
}

# node_kubectl …: with this server's own rights.
node_kubectl() {
  if [ "$ROLE" = server ]; then
    "$K3S_BIN" kubectl --request-timeout=10s "$@"
  else
    "$K3S_BIN" kubectl --request-timeout=10s --kubeconfig "$K3S_DATA/agent/kubelet.kubeconfig" "$@"
  fi
}

# The Node stays ready for most of a minute after its kubelet died; only the kubelet renews its Lease.
kubelet_runs() {
  renewed=$(node_kubectl get lease --namespace kube-node-lease "$SERVER_NAME" -o 'jsonpath={.spec.renewTime}')
  [ "$(date -d "$renewed" +%s)" -ge "$started" ]
}

is_ready_at_this_version() {
  version=$("$K3S_BIN" --version | sed -n 's/^k3s version \([^ ]*\).*/\1/p')
  [ "$(node_kubectl get node "$SERVER_NAME" -o 'jsonpath={.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}')" = "$version True" ]
}

check_server() {
  wait_for "$API/ping answers" 60 curl -sf --cacert "$CA" "$API/ping" &&
    wait_for "the cluster's server CA has the SHA-256 $CA_SHA256" 5 serves_our_ca &&
    wait_for "the authorities in $K3S_DATA/server/tls are those that were installed" 1 keeps_our_authorities &&
    wait_for "the API server is ready (/readyz)" 120 "$K3S_BIN" kubectl get --raw /readyz &&
    # Terraform's own rights: K3s applies manifests some time after it is ready.
    wait_for "the administrators are bound to their rights" 120 "$K3S_BIN" kubectl get clusterrolebinding ib-admins &&
    wait_for "the node is labelled" 60 "$K3S_BIN" kubectl label --overwrite node "$SERVER_NAME" "inferencebros.com/installation=$INSTALLATION" || return 1
  [ -z "$API_VIP" ] || wait_for "the API answers at the VIP $API_VIP" 120 curl -sf --cacert "$CA" "https://$API_VIP:6443/ping"
}

start() {
  started=$(date +%s)
  start_k3s restart "$patience" || return 1
  [ "$ROLE" != server ] || check_server || return 1
  wait_for "the kubelet renews the Lease of node $SERVER_NAME" 120 kubelet_runs || return 1
  wait_for "node $SERVER_NAME is ready at the installed version" 120 is_ready_at_this_version
}

fall_back() {
  show_journal
  if [ ! -d "$PREVIOUS" ]; then
    # K3s retries for ever: a server that never worked is better off.
    systemctl stop k3s
    rm -f "$K3S_CONFIG/config.yaml"
    die "K3s does not come up; correct what is named above and deploy again"
  fi
  install_files "$PREVIOUS"
  start || die "K3s comes up neither with the new configuration nor with the last one"
  rm -rf "$PREVIOUS"
  die "K3s does not come up with the new configuration; it runs with the last one again"
}

# Among others a server that they took out of etcd joins again by this file, and with cluster-init in it would not start.
# By itself it has nobody to ask, and the address of one that left may be another machine's.
write_start() {
  if [ -n "$PEERS" ]; then start="server: https://$JOIN_ADDRESS:6443"; else start="cluster-init: true"; fi
  echo "$start" | write_file "$K3S_START" 0600 || true
}

check_others_are_up
patience=1
# K3s waits for a joiner of this name that died until the others let it go, which takes them five minutes.
[ "$ROLE" != server ] || is_member || patience=400
unpack_bundle "$STAGE/files"
check_cluster_networks_stay
add_interface
keep_previous
install_files "$STAGE/files"
start || fall_back
if [ "$ROLE" = server ]; then
  delete_withdrawn
  write_start
  # K3s writes its certificates readable by all (CIS 1.1.20).
  find "$K3S_DATA/server/tls" -name '*.crt' -exec chmod 0600 {} +
fi
rm -rf "$PREVIOUS"
say "K3s is ready"
