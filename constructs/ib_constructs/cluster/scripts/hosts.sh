# shellcheck shell=sh
# Sourced. A marked block in /etc/hosts: names that the API server has to find before, and without, public DNS.
# Needs HOSTS ("<address> <name>"), a line of the block.

HOSTS_FILE=/etc/hosts
HOSTS_BEGIN="# inference-platform: begin"
HOSTS_END="# inference-platform: end"

other_hosts() {
  sed "/^$HOSTS_BEGIN\$/,/^$HOSTS_END\$/d" "$HOSTS_FILE"
}

add_hosts() {
  { other_hosts; printf '%s\n%s\n%s\n' "$HOSTS_BEGIN" "$HOSTS" "$HOSTS_END"; } | write_file "$HOSTS_FILE" 0644 || true
}

remove_hosts() {
  other_hosts | write_file "$HOSTS_FILE" 0644 || true
}
