# shellcheck shell=sh
# Sourced. Debian packages that a server of the location has, security updates by themselves, and an exact clock.
# Needs SHARED_STORAGE (yes|no): volumes that several servers mount.

PACKAGES_ADDED=$PREPARED/packages-added
SECONDS_FOR_LOCKS=300
UPDATES=/etc/apt/apt.conf.d/52inference-platform

wanted_packages() {
  echo chrony curl nftables unattended-upgrades
  [ "$SHARED_STORAGE" != yes ] || echo nfs-common open-iscsi
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Security updates may be at work, at a first boot above all: apt waits for dpkg's lock when told, for that of its lists not.
try_update() {
  if apt-get -qq update > "$STAGE/apt.log" 2>&1; then
    touch "$STAGE/updated"
  else
    ! grep -q 'get lock' "$STAGE/apt.log"
  fi
}

update_lists() {
  wait_for "another apt lets go of the lists of packages" "$SECONDS_FOR_LOCKS" try_update && [ -f "$STAGE/updated" ]
}

change_packages() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -o "DPkg::Lock::Timeout=$SECONDS_FOR_LOCKS" -y --no-install-recommends "$@" > "$STAGE/apt.log" 2>&1
}

add_packages() {
  missing=
  for package in $(wanted_packages); do
    is_installed "$package" || missing="$missing $package"
  done
  if [ -n "$missing" ]; then
    say "installs$missing"
    # Noted before: a run that is killed in between still knows what to take away one day.
    mkdir -p "$PREPARED"
    for package in $missing; do echo "$package" >> "$PACKAGES_ADDED"; done
    # chrony takes its place.
    ! is_installed systemd-timesyncd || touch "$PREPARED/had-timesyncd"
    # shellcheck disable=SC2086 # a list of names
    { update_lists && change_packages $missing; } || {
      tail -n 10 "$STAGE/apt.log" >&2
      die "cannot install$missing. Check this server's way to its Debian mirror (/etc/apt/sources.list) and deploy again."
    }
  fi
  systemctl enable --quiet --now chrony
  # Longhorn's shared volumes are NFS 4.1: what older NFS needs stays shut.
  [ "$SHARED_STORAGE" != yes ] || systemctl mask --quiet --now rpcbind.socket rpcbind.service 2>/dev/null || true
  write_file "$UPDATES" 0644 <<'CONF' || true
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
// `make reboot` does it, one server after another.
Unattended-Upgrade::Automatic-Reboot "false";
CONF
}

remove_packages() {
  rm -f "$UPDATES"
  [ -f "$PACKAGES_ADDED" ] || return 0
  systemctl unmask --quiet rpcbind.socket rpcbind.service 2>/dev/null || true
  # curl came with us too, but a server without it is hard to help.
  changes=$(sort -u "$PACKAGES_ADDED" | sed '/^curl$/d; s/$/-/' | tr '\n' ' ')
  [ ! -f "$PREPARED/had-timesyncd" ] || changes="${changes}systemd-timesyncd"
  # shellcheck disable=SC2086 # a list of names
  change_packages $changes ||
    say "these changes of packages were not made: $changes" >&2
}
