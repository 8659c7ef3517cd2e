#!/bin/sh
# Names everything this machine lacks at once, with the command that installs it; prints the Python to use.
# check-machine.sh demo|test: the second also needs what test hosts and browsers need.
# Debian packages are installed where the user is root.
set -eu
purpose=${1:-demo}
missing=
packages=

lacks() {
  missing="$missing
  $1: $2"
}

# at_least <version> <wanted>
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

needs_package() {
  command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}

find_python() {
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, ssl; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}

command -v git >/dev/null || packages="$packages git"
needs_package ssh-keyscan openssh-client
needs_package curl curl
python=$(find_python)
[ -n "$python" ] || packages="$packages python3 python3-venv"
# Debian's python3 comes without the part of venv that installs pip.
[ -z "$python" ] || "$python" -c 'import venv, ensurepip' 2>/dev/null || packages="$packages python3-venv"
# Debian 13's Node will do; Debian 12's is too old.
if ! command -v node >/dev/null 2>&1 && at_least "$(apt-cache policy nodejs 2>/dev/null | sed -n 's/ *Candidate: //p')" 20; then
  packages="$packages nodejs npm"
fi
if [ "$purpose" = test ]; then
  needs_package ip iproute2
  needs_package /usr/sbin/sshd openssh-server
  needs_package mmdebstrap mmdebstrap
  needs_package systemd-nspawn systemd-container
  needs_package chromium chromium
  needs_package shellcheck shellcheck
  needs_package promtool prometheus
  needs_package faketime faketime
  # Not on the PATH; the folder alone may hold no more than a client.
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || packages="$packages postgresql"
fi

# Debian starts what it installs; of these only the programs are wanted.
masks=
for unit in prometheus postgresql; do
  case "$packages " in *" $unit "*) [ ! -d /etc/systemd/system ] || masks="$masks /etc/systemd/system/$unit.service" ;; esac
done
if [ -n "$packages" ]; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "installing Debian packages:$packages" >&2
    for unit in $masks; do ln -sf /dev/null "$unit"; done
    # shellcheck disable=SC2086 # a list of names
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >&2
    python=$(find_python)
  else
    commands=$(for unit in $masks; do printf 'sudo ln -sf /dev/null %s && ' "$unit"; done)
    lacks "Debian packages" "${commands}sudo apt-get install -y$packages"
  fi
fi

[ -n "$python" ] || lacks "Python 3.11 or newer" "this Debian's python3 is older; Debian 12 and 13 have it"
node=$(node --version 2>/dev/null | tr -d v) || node=
{ [ -n "$node" ] && command -v npm >/dev/null && at_least "$node" 20; } ||
  lacks "Node 20 or newer with npm${node:+ (found $node)}" "on Debian 13: apt-get install -y nodejs npm; elsewhere: https://nodejs.org/en/download"
terraform=$(terraform version -json 2>/dev/null | sed -n 's/.*"terraform_version": "\([^"]*\)".*/\1/p') || terraform=
{ [ -n "$terraform" ] && at_least "$terraform" 1.11; } ||
  lacks "Terraform 1.11 or newer${terraform:+ (found $terraform)}" "https://developer.hashicorp.com/terraform/install#linux"

if [ -n "$missing" ]; then
  echo "This machine lacks:$missing" >&2
  exit 1
fi
echo "$python"
