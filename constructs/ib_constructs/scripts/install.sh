#!/bin/sh
# Puts K3s's identity, binary and unit on the server, and decides whether it founds the cluster or joins it.
# Converges on a half-installed server. K3s is started by configure.sh.
# Needs SERVER_NAME, ROLE, FINGERPRINT, FOUNDER (yes|no), PEERS (addresses), JOIN_ADDRESS, K3S_VERSION, K3S_URL, K3S_SHA256.
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit
umask 077

IDENTITY=$STAGE/identity
START=$K3S_CONFIG/config.yaml.d/10-start.yaml

install_tokens() {
  mkdir -p "$K3S_CONFIG/config.yaml.d"
  for token in server-token agent-token; do
    [ ! -f "$IDENTITY/$token" ] || install -m 0600 "$IDENTITY/$token" "$K3S_CONFIG/$token"
  done
  printf '%s\n' "$FINGERPRINT" > "$FINGERPRINT_FILE"
}

# The address of a running member of this cluster, if there is one.
# A server that was installed anew must join: with the same authorities and token it would otherwise found
# a second cluster that every kubeconfig accepts.
find_cluster() {
  for peer in $PEERS; do
    code=0
    curl -sfk --max-time 10 "https://$peer:6443/cacerts" -o "$STAGE/cacerts" || code=$?
    case $code in
      0)
        cmp -s "$STAGE/cacerts" "$IDENTITY/server-ca.crt" ||
          die "another Kubernetes cluster answers at $peer:6443. Correct the address in the location file or switch that cluster off."
        echo "$peer"
        return
        ;;
      7) ;; # refused, or nobody has the address
      # Founding a second cluster is worse than stopping: a member may be starting, busy or cut off.
      *) die "it cannot be told whether a member of this cluster is at $peer:6443 (curl: $code). Deploy again when it answers, or when it is off." ;;
    esac
  done
}

install_authorities() {
  mkdir -p "$K3S_DATA/server"
  cp -r "$IDENTITY/tls" "$K3S_DATA/server/tls.new"
  (cd "$K3S_DATA/server/tls.new" && find . -type f -exec sha256sum {} +) > "$K3S_CONFIG/authorities.sha256"
  rm -rf "$K3S_DATA/server/tls"
  # Together or not at all: K3s would silently make the missing half of a pair, and overwrite the other.
  mv "$K3S_DATA/server/tls.new" "$K3S_DATA/server/tls"
}

decide_start() {
  if [ -d "$K3S_DATA/server/db/etcd" ]; then
    say "is a member already"
    return
  fi
  if [ "$FOUNDER" = yes ]; then
    member=$(find_cluster)
    if [ -z "$member" ]; then
      install_authorities
      echo "cluster-init: true" > "$START"
      say "founds the cluster"
      return
    fi
    say "finds the cluster running at $member"
    JOIN_ADDRESS=$member
    rm -f "$K3S_CONFIG/authorities.sha256"
  fi
  echo "server: https://$JOIN_ADDRESS:6443" > "$START"
  say "joins the cluster at $JOIN_ADDRESS"
}

# A server that becomes an agent keeps no authority's key and no token that joins servers.
forget_control_plane() {
  [ -f "$K3S_CONFIG/server-token" ] || return 0
  systemctl stop k3s || true
  rm -rf "$K3S_CONFIG/server-token" "$K3S_CONFIG/authorities.sha256" "$K3S_CONFIG/k3s.yaml" "$K3S_DATA/server"
}

install_binary() {
  if [ -z "$K3S_SHA256" ]; then
    K3S_SHA256=$(curl -fsSL --retry 3 "$K3S_URL/sha256sum-amd64.txt" | sed -n 's/ \{1,\}k3s$//p')
    [ -n "$K3S_SHA256" ] || die "no checksum of k3s at $K3S_URL/sha256sum-amd64.txt. Check mirrors.k3s in the location file."
  fi
  if echo "$K3S_SHA256  $K3S_BIN" | sha256sum -c --status 2>/dev/null; then
    say "K3s $K3S_VERSION is there"
    return
  fi
  say "downloads K3s $K3S_VERSION"
  curl -fsSL --retry 3 -o "$K3S_BIN.new" "$K3S_URL/k3s" || die "cannot download $K3S_URL/k3s. Check this server's way to it, or set mirrors.k3s."
  if ! echo "$K3S_SHA256  $K3S_BIN.new" | sha256sum -c --status; then
    got=$(sha256sum "$K3S_BIN.new" | cut -d ' ' -f 1)
    rm -f "$K3S_BIN.new"
    die "$K3S_URL/k3s has SHA-256 $got, expected $K3S_SHA256. It is not the pinned release; nothing was installed."
  fi
  chmod 0755 "$K3S_BIN.new"
  mv "$K3S_BIN.new" "$K3S_BIN"
}

install_unit() {
  sed "s/@ROLE@/$ROLE/" "$STAGE/k3s.service" > "$K3S_UNIT"
  chmod 0644 "$K3S_UNIT"
  systemctl daemon-reload
  systemctl enable --quiet k3s
}

unpack_bundle "$IDENTITY"
install_tokens
if [ "$ROLE" = server ]; then
  decide_start
else
  forget_control_plane
  echo "server: https://$JOIN_ADDRESS:6443" > "$START"
fi
install_binary
install_unit
say "K3s is installed"
