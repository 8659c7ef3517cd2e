#!/bin/sh
# Puts K3s's identity, binary and unit on the server, and decides whether it founds the cluster or joins it.
# Converges on a half-installed server. K3s is started by configure.sh.
# Needs SERVER_NAME, ROLE, FINGERPRINT, FOUNDER (yes|no), PEERS (addresses), JOIN_ADDRESS, K3S_VERSION, K3S_URL, K3S_SHA256,
# IMAGES_SHA256 (may be empty: then images come from their registries).
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit
umask 077

IDENTITY=$STAGE/identity

# <version> as one number: v1.36.5+k3s1 is 1036005001.
version_number() {
  echo "$1" | sed 's/[^0-9]/ /g' | awk '{ printf "%d%03d%03d%03d", $1, $2, $3, $5 }'
}

# Kubernetes goes up one minor version at a time, and never down: what the newer one wrote, the older cannot read.
check_version() {
  [ -x "$K3S_BIN" ] && [ -n "$(k3s_data)" ] || return 0
  running=$("$K3S_BIN" --version | sed -n 's/^k3s version \([^ ]*\).*/\1/p')
  from=$(version_number "$running")
  to=$(version_number "$K3S_VERSION")
  [ "$to" -ge "$from" ] ||
    die "runs K3s $running, which cannot go back to $K3S_VERSION: that could not read what is in etcd. Keep $running, or go up."
  [ $((to / 1000000 - from / 1000000)) -le 1 ] ||
    die "runs K3s $running; $K3S_VERSION skips a minor version. Deploy the last release of each version in between first."
}

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
  if is_member; then
    say "is a member already"
    return
  fi
  # A member that was taken out by others had a Node.
  [ -d "$K3S_DATA/server/db/etcd/member/wal" ] || : > "$K3S_FIRST_START"
  if [ "$FOUNDER" = yes ]; then
    member=$(find_cluster)
    if [ -z "$member" ]; then
      install_authorities
      echo "cluster-init: true" > "$K3S_START"
      say "founds the cluster"
      return
    fi
    say "finds the cluster running at $member"
    JOIN_ADDRESS=$member
    rm -f "$K3S_CONFIG/authorities.sha256"
  fi
  echo "server: https://$JOIN_ADDRESS:6443" > "$K3S_START"
  say "joins the cluster at $JOIN_ADDRESS"
}

# A server that becomes an agent keeps no authority's key and no token that joins servers.
forget_control_plane() {
  [ -f "$K3S_CONFIG/server-token" ] || return 0
  systemctl stop k3s || true
  rm -rf "$K3S_DATA/server" "$K3S_CONFIG/authorities.sha256" "$K3S_CONFIG/k3s.yaml" "$K3S_FIRST_START"
  for file in $CONTROL_PLANE_FILES; do rm -f "$K3S_CONFIG/$file"; done
  # Last: it says that there is something to forget.
  rm -f "$K3S_CONFIG/server-token"
}

# download <url> <SHA-256> <file>
download() {
  if echo "$2  $3" | sha256sum -c --status 2>/dev/null; then
    return
  fi
  say "downloads $1"
  curl -fsSL --retry 3 -o "$3.new" "$1" || die "cannot download $1. Check this server's way to it, or set mirrors.k3s."
  if ! echo "$2  $3.new" | sha256sum -c --status; then
    got=$(sha256sum "$3.new" | cut -d ' ' -f 1)
    rm -f "$3.new"
    die "$1 has SHA-256 $got, expected $2. It is not the pinned release; nothing was installed."
  fi
  mv "$3.new" "$3"
}

install_binary() {
  if [ -z "$K3S_SHA256" ]; then
    K3S_SHA256=$(curl -fsSL --retry 3 "$K3S_URL/sha256sum-amd64.txt" | sed -n 's/ \{1,\}k3s$//p')
    [ -n "$K3S_SHA256" ] || die "no checksum of k3s at $K3S_URL/sha256sum-amd64.txt. Check mirrors.k3s in the location file."
  fi
  download "$K3S_URL/k3s" "$K3S_SHA256" "$K3S_BIN"
  chmod 0755 "$K3S_BIN"
}

# K3s takes its own images from this archive, where registries are out of reach.
install_images() {
  [ -n "$IMAGES_SHA256" ] || return 0
  mkdir -p "$K3S_DATA/agent/images"
  download "$K3S_URL/k3s-airgap-images-amd64.tar.zst" "$IMAGES_SHA256" "$K3S_DATA/agent/images/k3s-airgap-images-amd64.tar.zst"
}

install_unit() {
  sed "s/@ROLE@/$ROLE/" "$STAGE/k3s.service" > "$K3S_UNIT"
  chmod 0644 "$K3S_UNIT"
  install -m 0700 "$STAGE/begin.sh" "$K3S_CONFIG/begin.sh"
  release_k3s
  systemctl enable --quiet k3s
}

check_version
unpack_bundle "$IDENTITY"
install_tokens
if [ "$ROLE" = server ]; then
  decide_start
else
  forget_control_plane
  echo "server: https://$JOIN_ADDRESS:6443" > "$K3S_START"
fi
install_binary
install_images
install_unit
say "K3s is installed"
