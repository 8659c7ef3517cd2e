#!/bin/sh
# Runs where Terraform runs: is the server's sshd there, and is it the server we know?
# Terraform verifies the host key again when it connects; this only says in words what is wrong, and early.
set -eu

if ! command -v ssh-keyscan >/dev/null 2>&1; then
  echo "$SERVER_NAME: ssh-keyscan is not installed here, so the SSH connection itself is the first check"
  exit 0
fi

# The keys of type $1 that the sshd shows, without its address.
scan() {
  ssh-keyscan -T 10 -t "$1" -p "$SSH_PORT" "$SSH_HOST" 2>/dev/null | grep -v '^#' | cut -d ' ' -f 2,3
}

expected=$(echo "$SSH_HOST_KEY" | cut -d ' ' -f 1,2)
# One type a look: sshd (since 9.8) counts visitors that never log in, and shuts them out for a while.
seen=$(scan ecdsa) || seen=

if [ -z "$seen" ] && [ -n "$(scan ed25519,rsa)" ]; then
  echo "$SERVER_NAME: the sshd at $SSH_HOST:$SSH_PORT has no ECDSA host key, the one type Terraform can verify." \
    "Make it on the server with: ssh-keygen -A && systemctl restart ssh" >&2
  exit 1
fi

if [ -z "$seen" ]; then
  echo "$SERVER_NAME: no SSH server answers at $SSH_HOST:$SSH_PORT within 10 s. Check that the server is on and its sshd runs," \
    "that the router forwards this port to it, and that ip, ssh_host and ssh_port in the location file are right." >&2
  exit 1
fi

if [ "$seen" != "$expected" ]; then
  echo "$SERVER_NAME: the host key at $SSH_HOST:$SSH_PORT is not the one in the location file. Another machine answers, or the" \
    "server was installed anew. Compare at the server's console: cat /etc/ssh/ssh_host_ecdsa_key.pub. If it is this one, write:" >&2
  echo "  ssh_host_key = \"$seen\"" >&2
  exit 1
fi
