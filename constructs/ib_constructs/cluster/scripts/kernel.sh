# shellcheck shell=sh
# Sourced. Kernel settings that the kubelet insists on, and room for many pods.

SYSCTLS=/etc/sysctl.d/90-inference-platform.conf
MODULES=/etc/modules-load.d/inference-platform.conf
MULTIPATH=/etc/multipath/conf.d/inference-platform.conf

add_kernel() {
  write_file "$MODULES" 0644 <<'CONF' || true
br_netfilter
overlay
CONF
  for module in br_netfilter overlay; do
    modprobe "$module" || die "the kernel module $module cannot be loaded. Install the kernel of this Debian (apt-get install linux-image-amd64) and reboot."
  done
  write_file "$SYSCTLS" 0644 <<'CONF' || true
# The kubelet exits where these differ (protect-kernel-defaults).
vm.panic_on_oom = 0
vm.overcommit_memory = 1
kernel.panic = 10
kernel.panic_on_oops = 1
# Watched files, of all pods together.
fs.inotify.max_user_instances = 8192
fs.inotify.max_user_watches = 1048576
net.ipv4.ip_forward = 1
CONF
  # Also where the file was there: someone may have set other values since.
  sysctl -q -p "$SYSCTLS" || die "the kernel refuses a setting of $SYSCTLS"
  # multipathd takes Longhorn's devices for disks of its own.
  if write_file "$MULTIPATH" 0644 <<'CONF'; then
blacklist {
    devnode "^sd[a-z0-9]+"
}
CONF
    ! systemctl is-active --quiet multipathd || systemctl restart multipathd
  fi
}

# The values themselves stay until the next boot: what they were before is not known.
remove_kernel() {
  rm -f "$SYSCTLS" "$MODULES" "$MULTIPATH"
  rmdir /etc/multipath/conf.d /etc/multipath 2>/dev/null || true
}
