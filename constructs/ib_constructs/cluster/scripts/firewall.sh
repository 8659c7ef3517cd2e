# shellcheck shell=sh
# Sourced. A table of our own that closes etcd's ports to everyone but the servers that run it.
# Needs ROLE, CONTROL_PLANE (addresses of all servers in role server).

FIREWALL=$PREPARED/firewall.nft
FIREWALL_UNIT=/etc/systemd/system/inference-platform-firewall.service

firewall_rules() {
  cat <<CONF
# Made anew as a whole: the first line lets the second one work where there is no table yet.
table inet inference_platform {}
delete table inet inference_platform
table inet inference_platform {
  set control_plane {
    type ipv4_addr
    elements = { $(echo "$CONTROL_PLANE" | sed 's/ /, /g') }
  }
  chain input {
    type filter hook input priority -10; policy accept;
    iif "lo" accept
    tcp dport { 2379, 2380 } ip saddr @control_plane accept
    tcp dport { 2379, 2380 } drop
  }
}
CONF
}

add_firewall() {
  if [ "$ROLE" != server ]; then
    remove_firewall
    return
  fi
  firewall_rules | write_file "$FIREWALL" 0600 || true
  write_file "$FIREWALL_UNIT" 0644 <<CONF || true
[Unit]
Description=etcd's ports are open to the location's servers only
DefaultDependencies=no
After=local-fs.target systemd-modules-load.service nftables.service
# Debian's own unit begins by removing every table.
PartOf=nftables.service
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f $FIREWALL

[Install]
WantedBy=sysinit.target
CONF
  systemctl daemon-reload
  systemctl enable --quiet inference-platform-firewall
  # Also where nothing changed: somebody may have flushed the rules.
  systemctl restart inference-platform-firewall || die "nftables refuses $FIREWALL; journalctl -u inference-platform-firewall says why"
}

remove_firewall() {
  systemctl disable --quiet --now inference-platform-firewall 2>/dev/null || true
  rm -f "$FIREWALL" "$FIREWALL_UNIT"
  systemctl daemon-reload
  nft delete table inet inference_platform 2>/dev/null || true
}
