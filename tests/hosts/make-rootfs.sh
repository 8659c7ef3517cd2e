#!/bin/sh
# Makes the root file system of the test hosts once: Debian 13 with systemd and sshd. Prints its path.
# Python and openssl are for the stand-in K3s only; our own scripts must do without.
set -eu
PACKAGES=systemd,systemd-sysv,dbus,openssh-server,iproute2,curl,ca-certificates,kmod,procps,nftables
PACKAGES=$PACKAGES,python3-minimal,libpython3-stdlib,python3-yaml,python3-cryptography,openssl
SUITE=trixie
root=${XDG_CACHE_HOME:-$HOME/.cache}/inference-platform/rootfs-$SUITE-$(echo "$PACKAGES" | sha256sum | cut -c 1-12)

if [ ! -d "$root" ]; then
  echo "making the test hosts' root file system (Debian $SUITE; 1 to 3 minutes, once)" >&2
  mkdir -p "$(dirname "$root")"
  rm -rf "$root.new"
  mmdebstrap --quiet --variant=minbase --include="$PACKAGES" "$SUITE" "$root.new" >&2
  # Each host gets its own.
  rm -f "$root.new"/etc/ssh/ssh_host_* "$root.new/etc/machine-id"
  mv "$root.new" "$root"
fi
echo "$root"
