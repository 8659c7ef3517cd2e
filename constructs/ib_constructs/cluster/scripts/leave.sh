#!/bin/sh
# Takes K3s off a server that leaves the location, with all of its data, and what prepare.sh did. Never depends on the API.
# Needs SERVER_NAME, API_VIP (may be empty), STAYING (names of the servers that the location has from now on; this one among
# them where all leave).
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
. "$STAGE/packages.sh"
. "$STAGE/kernel.sh"
. "$STAGE/firewall.sh"
. "$STAGE/hosts.sh"
clear_stage_on_exit

# Pods outlive the unit (KillMode=process).
stop_pods() {
  pids=$(pgrep -f "$K3S_DATA/data/[^/]*/bin/containerd-shim" || true)
  for pid in $pids; do
    pkill -KILL -P "$pid" || true
    kill -KILL "$pid" 2>/dev/null || true
  done
}

unmount_below() {
  sed -n "s|^[^ ]* \($1[^ ]*\) .*|\1|p" /proc/self/mounts | sort -r | while read -r mount; do
    umount "$mount" || umount -l "$mount"
  done
}

# kube-vip was killed before it could give the address back: two servers would answer for it.
release_vip() {
  [ -n "$API_VIP" ] || return 0
  link=$(ip -o -4 address show to "$API_VIP/32" | sed -n 's/^[0-9]*: \([^ ]*\).*/\1/p')
  [ -z "$link" ] || ip address del "$API_VIP/32" dev "$link"
}

remove_links() {
  for link in cni0 flannel.1 flannel-v6.1 kube-ipvs0; do
    ip link delete "$link" 2>/dev/null || true
  done
}

# kube-proxy's, the network policies' and the pods' own: they would go on answering for Services.
remove_packet_rules() {
  for family in iptables ip6tables; do
    command -v "$family-save" >/dev/null || continue
    "$family-save" | grep -v 'KUBE-\|CNI-\|flannel' | "$family-restore" || say "$family rules of K3s may be left; a reboot removes them" >&2
  done
}

case " $STAYING " in
  *" $SERVER_NAME "*) ;;
  *)
    wait_until_let_go ||
      die "is still a member of etcd, and nothing was taken off it: wiped now, it could take the majority along. Put it back into the" \
        "location file, start K3s on all servers in role server, deploy, and take it out again. Where the location is to end: destroy it."
    ;;
esac
systemctl disable --now --quiet k3s 2>/dev/null || true
stop_pods
release_vip
# Not $K3S_DATA itself, which may be a disk of its own.
for place in /run/k3s /var/lib/kubelet "$K3S_DATA/" /run/netns/cni-; do
  unmount_below "$place"
done
remove_links
remove_packet_rules
remove_hosts
remove_firewall
remove_kernel
remove_packages
rm -rf "$PREPARED"
[ ! -d "$K3S_DATA" ] || find "$K3S_DATA" -mindepth 1 -delete
rmdir "$K3S_DATA" 2>/dev/null || true
rm -rf "$K3S_UNIT" "${K3S_HOLD%/*}" "$K3S_BIN" "$K3S_BIN.new" "$K3S_CONFIG" /run/k3s /var/lib/kubelet /var/lib/cni \
  /etc/rancher/node /run/inference-platform/retire.lock
rmdir /etc/rancher /var/lib/rancher 2>/dev/null || true # another's files may be in there
systemctl daemon-reload
say "K3s and its data are gone"
