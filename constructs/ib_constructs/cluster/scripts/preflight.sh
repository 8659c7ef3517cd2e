#!/bin/sh
# Checks a server before anything on it is changed, and reports every problem at once, each with its remedy.
# Needs SERVER_NAME, ROLE, FINGERPRINT (this location's identity), CA_SHA256 (its server CA), NOW (RFC 3339, the clock of
# the machine that deploys), SERVER_IP, CLUSTER_NETWORKS (of pods and Services), PEERS (addresses of the other servers),
# SILENT_PEER (what one is that does not answer: problem, or warning once the cluster is there), API_VIP (may be empty),
# INGRESS_IP, SHARED_STORAGE, GPU_RUNTIME (nri, runtimeclass).
# With REPORT=yes every check is a line "<check>|ok, warning or problem|<found>|<remedy>", and the exit code is 0.
# Without the state, FINGERPRINT and CA_SHA256 are empty.
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit

problems=0

# result <check> <ok|warning|problem> <found> [<remedy>]
result() {
  [ "$2" != problem ] || problems=$((problems + 1))
  if [ "${REPORT:-}" = yes ]; then
    printf '%s|%s|%s|%s\n' "$1" "$2" "$3" "${4:-}"
  elif [ "$2" != ok ]; then
    [ "$2" = problem ] && word= || word="$2: "
    say "preflight: $word$3. ${4:-}" >&2
  fi
}

# at_least <check> <value> <least> <unit> <remedy>
at_least() {
  [ "$2" -ge "$3" ] && state=ok || state=problem
  result "$1" "$state" "$2 $4 (K3s needs $3 in role $ROLE)" "$5"
}

check_system() {
  user=$(id -un)
  [ "$user" = root ] && state=ok || state=problem
  result root "$state" "logged in as $user" "Let Terraform log in as root: put its public key into /root/.ssh/authorized_keys."
  machine=$(uname -m)
  [ "$machine" = x86_64 ] && state=ok || state=problem
  result processor "$state" "the processor is $machine" "The pinned K3s binary is for x86_64."
  system=$(. /etc/os-release && echo "$ID $VERSION_ID")
  case $system in
    "debian 13") state=ok ;;
    "debian 12") state=warning ;;
    *) state=problem ;;
  esac
  result system "$state" "the system is $system" "Install Debian 13."
  command -v curl >/dev/null && state=ok || state=problem
  [ "$state" = ok ] && found="curl is there" || found="curl is missing"
  result curl "$state" "$found" "Install it: apt-get install -y curl"
}

# Minima of docs.k3s.io/installation/requirements, and above what our kubelet keeps for the system and itself (1 GiB); a
# machine of 2 GB shows a little less.
check_size() {
  cores=1 memory=1400
  [ "$ROLE" != server ] || { cores=2 && memory=1900; }
  at_least cores "$(nproc)" "$cores" cores "Use a larger machine, or role = \"agent\"."
  at_least memory "$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)" "$memory" MiB "Use a larger machine, or role = \"agent\"."
  at_least disk "$(df -Pm "$([ -d "$K3S_DATA" ] && echo "$K3S_DATA" || echo /var/lib)" | awk 'NR == 2 { print $4 }')" 5120 "MiB free below /var/lib" "Make room, or mount a larger disk at $K3S_DATA."
}

# etcd writes each change to disk before it answers; its documentation asks for less than 10 ms.
check_disk_latency() {
  [ "$ROLE" = server ] || return 0
  probe=/var/lib/.preflight-latency
  begin=$(date +%s%3N)
  dd if=/dev/zero of="$probe" bs=4k count=100 oflag=dsync 2>/dev/null
  milliseconds=$((($(date +%s%3N) - begin) / 100))
  rm -f "$probe"
  state=ok
  [ "$milliseconds" -lt 10 ] || state=warning
  [ "$milliseconds" -lt 100 ] || state=problem
  result "disk latency" "$state" "a synchronous write takes $milliseconds ms (etcd wants less than 10)" "Put /var/lib on an SSD of its own."
}

# K3s's certificates are valid from the moment Terraform minted them: a clock behind that refuses all of them.
# Ahead, there is the time that the connection took.
check_clock() {
  off=$(($(date +%s) - $(date -u -d "$NOW" +%s)))
  [ "$off" -ge -5 ] && [ "$off" -le 120 ] && state=ok || state=problem
  result clock "$state" "the clock is $off s off the clock of the machine that deploys (here $(date -u +%FT%TZ), there $NOW)" \
    "Set it: apt-get install -y chrony && chronyc makestep (or correct the other machine's)."
}

check_kernel() {
  for module in overlay br_netfilter vxlan nf_conntrack $([ "$SHARED_STORAGE" != yes ] || echo iscsi_tcp); do
    { [ -d "/sys/module/$module" ] || modprobe --dry-run --quiet "$module"; } && state=ok || state=problem
    result "module $module" "$state" "the kernel module $module is $([ "$state" = ok ] || echo "not ")there" \
      "Install this Debian's own kernel (apt-get install linux-image-amd64) and reboot."
  done
  case ,$(findmnt -no OPTIONS -T /tmp), in *,noexec,*) state=problem ;; *) state=ok ;; esac
  result /tmp "$state" "programs may $([ "$state" = ok ] || echo "not ")be run from /tmp" "Mount it without noexec: mount -o remount,exec /tmp, and in /etc/fstab."
}

check_identity() {
  hostname=$(uname -n)
  [ "$hostname" = "$SERVER_NAME" ] && state=ok || state=problem
  result hostname "$state" "the machine calls itself $hostname" "Give it its name in the location file: hostnamectl set-hostname $SERVER_NAME"
  id=$(cat /etc/machine-id 2>/dev/null) || id=
  case $id in *[!0-9a-f]* | "") state=problem ;; *) state=ok ;; esac
  result machine-id "$state" "the machine id is ${id:-missing}" "Make one: rm -f /etc/machine-id && systemd-machine-id-setup, then reboot."
}

check_data() {
  reason=$(foreign_data)
  if [ -n "$reason" ]; then
    result "earlier K3s" problem "${reason%%.*}" "${reason#*. }"
  else
    result "earlier K3s" ok "no K3s but this location's"
  fi
}

# K3s goes on, and answers /ping, when the others took it out of etcd or etcd lost its majority.
check_k3s() {
  [ -f "$K3S_CONFIG/config.yaml" ] || return 0
  state=$SILENT_PEER
  if ! systemctl is-active --quiet k3s; then
    result K3s "$state" "K3s does not run" "Start it: systemctl start k3s; journalctl -u k3s says what keeps it."
  elif was_let_go; then
    result K3s "$state" "K3s runs without etcd, since its Node was deleted" \
      "Restart it, and it joins again: systemctl restart k3s. So does a deploy that changes its configuration."
  elif [ "$ROLE" = server ] && ! timeout 30 "$K3S_BIN" kubectl --request-timeout=20s get --raw /readyz >/dev/null 2>&1; then
    result K3s "$state" "its API is not ready" \
      "Start K3s on the other servers. Where most of those in role server are lost for good: make recover SERVER=$SERVER_NAME."
  else
    result K3s ok "K3s runs"
  fi
}

check_ports() {
  ! systemctl is-active --quiet k3s || return 0
  [ "$ROLE" = server ] && ports="6443 6444 2379 2380 10250" || ports=10250
  for port in $ports; do
    holder=$(ss -Hltnp "sport = :$port" | sed -n 's/.*users:(("\([^"]*\)".*/\1/p' | head -n 1)
    # K3s itself, between two tries to start: an upgrade may be what it needs.
    case $holder in "" | k3s*) state=ok ;; *) state=problem ;; esac
    result "port $port" "$state" "port $port is ${holder:+taken by }${holder:-free}" "Stop that program; K3s needs the port."
  done
}

# Does a machine on this wire answer for the address? (Any packet makes the kernel ask for it by ARP.)
is_on_the_wire() {
  ip neigh flush to "$1" 2>/dev/null || true
  curl -s --connect-timeout 2 -o /dev/null "http://$1:9/" || true
  ip neigh show to "$1" | grep -q lladdr
}

# K3s binds to it, and others look for the server there: a slip in the file shows up late.
check_own_address() {
  device=$(ip -o -4 address show to "$SERVER_IP/32" | awk '{ print $2; exit }')
  [ -n "$device" ] && state=ok || state=problem
  result "own address" "$state" "$SERVER_IP is $([ "$state" = ok ] && echo "on $device" || echo "not an address of this machine, which has $(ip -o -4 address show scope global | awk '{ print $4 }' | paste -sd ' ')")" \
    "Correct ip of $SERVER_NAME in the location file, or give the machine that address."
  [ "$state" = ok ] || return 0
  # kube-vip announces on the wire that the default route leads over.
  [ -n "$API_VIP" ] && [ "$ROLE" = server ] || return 0
  route=$(ip -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
  [ "$route" = "$device" ] && state=ok || state=problem
  result "default route" "$state" "the default route leads over ${route:-no wire}, and $SERVER_IP is on $device, where the VIP $API_VIP is to be announced" \
    "Let it lead over $device; where there is no way out, ip route add default dev $device, and the same in the network's configuration."
}

# K3s routes its own networks to itself: what has an address there, the way to this machine included, is out of reach when it starts.
check_cluster_networks() {
  for network in $CLUSTER_NETWORKS; do
    # Addresses of this machine and routes within it (an address of 32 bits has no route of its own), and wires around it.
    # A less specific route by a gateway is what a default is.
    taken=$({
      ip -o -4 address show to "$network" | awk '{ print $4, "dev", $2 }'
      ip -o -4 route show root "$network"
      ip -o -4 route show match "$network" | grep 'scope link'
    } |
      awk 'NF && $1 != "default" && $2 != "default" && !/ dev (cni0|flannel)/ { print $1, $2, $3 }' | sort -u | paste -sd ';')
    [ -z "$taken" ] && state=ok || state=problem
    result "network $network" "$state" "the cluster's network $network is ${taken:+taken by }${taken:-free}" \
      "Choose networks that nothing here uses: cluster_cidr and service_cidr in [network] of the location file."
  done
}

# Of restores, rejoinings and upgrades; K3s removes none of it.
left_behind() {
  find "$K3S_DATA/server" "$K3S_DATA/server/db" -maxdepth 1 -type d \
    '(' -name 'tls-[0-9]*' -o -name 'etcd-before-restore-*' -o -name 'etcd-old-*' -o -name 'etcd-backup-*' ')' 2>/dev/null || true
  # Programs of running pods' shims are in use, too.
  for folder in "$K3S_DATA"/data/*; do
    if [ ! -d "$folder" ] || [ -L "$folder" ]; then continue; fi
    case " $(readlink -f "$K3S_DATA/data/current" "$K3S_DATA/data/previous" | paste -sd ' ') " in *" $folder "*) continue ;; esac
    find /proc/[0-9]*/exe -lname "$folder/*" 2>/dev/null | grep -q . || echo "$folder"
  done
}

check_left_behind() {
  left=$(left_behind)
  [ -n "$left" ] || return 0
  for folder in $left; do
    days=$((($(date -d "$NOW" +%s) - $(stat -c %Y "$folder")) / 86400))
    result "left behind ${folder##*/}" warning "$folder is left of an earlier state, $days days old" \
      "If nothing of it is needed: rm -rf $folder"
  done
}

check_network() {
  for peer in $PEERS; do
    is_on_the_wire "$peer" && state=ok || state=$SILENT_PEER
    [ "$state" = ok ] && found="$peer answers" || found="no machine answers for $peer"
    result "server $peer" "$state" "$found" "Check that the server is on, its cable, switch and VLAN, and its ip in the location file."
  done
  for address in $API_VIP $INGRESS_IP; do
    case $(ip -4 route get "$address" 2>&1) in *" via "* | *nreachable*) state=problem ;; *) state=ok ;; esac
    result "subnet of $address" "$state" "$address is $([ "$state" = ok ] || echo "not ")on this server's own wire" "Choose an address of the servers' subnet."
  done
}

# Once the cluster is there, its own servers hold both.
check_addresses_are_free() {
  for address in $API_VIP $PEERS; do
    [ -z "$CA_SHA256" ] || [ "$(curl -sfk --connect-timeout 2 "https://$address:6443/cacerts" | sha256sum | cut -d ' ' -f 1)" != "$CA_SHA256" ] || return 0
  done
  ! systemctl is-active --quiet k3s || return 0
  for address in $API_VIP $INGRESS_IP; do
    if [ -n "$(ip -o address show to "$address")" ] || is_on_the_wire "$address"; then
      result "address $address" problem "$address is in use: $(ip neigh show to "$address")" "Take it from that machine, or choose a free one in the location file."
    else
      result "address $address" ok "free"
    fi
  done
}

# gpus <vendor id>: the folder of each, as PCI shows it.
gpus() {
  grep -lx "$1" /sys/bus/pci/devices/*/vendor 2>/dev/null | while read -r vendor; do
    ! grep -q '^0x03' "${vendor%/vendor}/class" || echo "${vendor%/vendor}"
  done
}

# PCI's ids follow the generations (pci-ids.ucw.cz/read/PC/10de): Pascal up to GP108, Volta, and Turing from TU102 on.
# generation <folder of a GPU of NVIDIA>
generation() {
  id=$(($(cat "$1/device")))
  if [ "$id" -ge $((0x1e00)) ]; then echo current
  elif [ "$id" -ge $((0x1d80)) ]; then echo Volta
  elif [ "$id" -ge $((0x1b00)) ] || { [ "$id" -ge $((0x15f0)) ] && [ "$id" -lt $((0x1600)) ]; }; then echo Pascal
  else echo "older than Pascal"
  fi
}

# The engine's image for current cards wants driver 580 at least, Debian 13's own is 550; 580 is the last that drives the older
# ones (docs/models.md).
check_nvidia() {
  branch=$(sed 's/[.].*//' /sys/module/nvidia/version 2>/dev/null || true)
  for gpu in $(gpus 0x10de); do
    name=$(generation "$gpu")
    case $name in
      current) remedy="Install driver 580 or newer, from NVIDIA's own repository: Debian 13's own is 550. Then reboot." ;;
      *) remedy="Install driver 580, the last that drives it, from NVIDIA's own repository. Then reboot." ;;
    esac
    state=ok
    if [ -z "$branch" ]; then
      state=problem found="its driver is not loaded"
    elif [ "$(basename "$(readlink "$gpu/driver")")" != nvidia ]; then
      state=problem found="driver $branch does not drive it"
    elif [ "$name" = current ] && [ "$branch" -lt 580 ]; then
      state=problem found="driver $branch is too old for the engines"
    else
      found="driver $branch drives it"
    fi
    result "GPU ${gpu##*/}" "$state" "there is a GPU of NVIDIA ($name), and $found" "$remedy"
    case $name in
      current | Pascal) ;;
      *) result "profile of ${gpu##*/}" warning "no resource profile serves the GPU ${gpu##*/} ($name)" \
        "Models run on Pascal, and on Turing or newer (docs/models.md)." ;;
    esac
  done
}

# K3s looks for it when it starts. With NRI nobody needs it.
check_container_toolkit() {
  [ "$GPU_RUNTIME" = runtimeclass ] && [ -n "$(gpus 0x10de)" ] || return 0
  command -v nvidia-container-runtime >/dev/null && state=ok || state=problem
  result "NVIDIA container toolkit" "$state" "the container toolkit is $([ "$state" = ok ] || echo "not ")there" \
    "Install nvidia-container-toolkit from NVIDIA's own repository, or set runtime = \"nri\" in [gpu]."
}

check_amd() {
  [ -n "$(gpus 0x1002)" ] || return 0
  [ -e /sys/module/amdgpu ] && state=ok || state=problem
  result "AMD driver" "$state" "there is a GPU of AMD, and its driver is $([ "$state" = ok ] || echo "not ")loaded" \
    "Install its firmware: apt-get install -y firmware-amd-graphics (component non-free-firmware), then reboot."
}

check_system
check_size
check_disk_latency
check_clock
check_kernel
check_identity
check_data
check_left_behind
check_k3s
check_ports
if command -v curl >/dev/null; then
  check_network
  check_addresses_are_free
fi
check_own_address
check_cluster_networks
check_nvidia
check_container_toolkit
check_amd

[ "${REPORT:-}" = yes ] && exit 0
[ "$problems" -eq 0 ] || die "preflight found $problems problem(s); nothing was changed on this server"
say "preflight passed"
