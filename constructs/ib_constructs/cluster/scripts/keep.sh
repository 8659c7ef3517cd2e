#!/bin/sh
# Runs where Terraform runs, before a server leaves: it does not take the only copy of a volume with it. Asks through another
# server, which has the API; where none can be asked, there is no cluster that could go on without the server.
# Needs NODE, HELPERS ("<name> <who logs in> <host> <port> <its ECDSA public key>" a line), SSH_PRIVATE_KEY.
set -eu
umask 077
scripts=$(dirname "$0")
own=$(mktemp -d)
trap 'rm -rf "$own"' EXIT
printf '%s\n' "$SSH_PRIVATE_KEY" > "$own/key"
command -v ssh > /dev/null || {
  echo "$NODE: ssh is not installed here, which asks what $NODE would take with it. Install openssh-client and deploy again." >&2
  exit 1
}

# ask <name> <who logs in> <host> <port> <host key>: 0: it may go; 1: it stays; anything else: this one cannot say.
ask() {
  printf '[%s]:%s %s\n%s %s\n' "$3" "$4" "$5" "$3" "$5" > "$own/known_hosts"
  { cat "$scripts/lib.sh" "$scripts/volumes.sh" && echo keep_volumes; } |
    ssh -F none -i "$own/key" -p "$4" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -o LogLevel=ERROR \
      -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$own/known_hosts" -o GlobalKnownHostsFile=/dev/null \
      "$2@$3" "$([ "$2" = root ] || echo sudo -n) env SERVER_NAME=$1 NODE=$NODE sh -eus"
}

echo "$HELPERS" | while read -r name user host port key; do
  answer=0
  ask "$name" "$user" "$host" "$port" "$key" || answer=$?
  [ "$answer" -gt 1 ] || exit "$answer"
done
