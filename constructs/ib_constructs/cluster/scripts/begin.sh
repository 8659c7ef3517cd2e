#!/bin/sh
# Run by systemd before each start of a K3s in role server. Until K3s was ready once, it takes away what etcd left of a start that
# died: from files that do not have K3s's own data yet, K3s never starts (docs/facts/k3s.md, Members).
set -eu
CONFIG=/etc/rancher/k3s
DATA=/var/lib/rancher/k3s/server
[ -f "$CONFIG/first-start" ] && [ -d "$DATA/db/etcd/member" ] || exit 0

# Whether etcd lists this joiner. Also a learner may get a vote at any time, and its data are its promise; one that cannot start
# is struck off within five minutes. Asked as joiners ask; an answer without IDs is of a server whose own etcd does not answer.
is_listed() {
  members=$(printf 'user = "%s"\n' "$(sed 's/.*:://' "$CONFIG/server-token")" |
    curl -sf --max-time 10 --config - --cacert "$DATA/tls/server-ca.crt" "$1/db/info") || return 0
  case $members in *'"ID"'*) ;; *) return 0 ;; esac
  case $members in *"https://$(sed -n 's/^node-ip: //p' "$CONFIG/config.yaml"):2380"*) ;; *) return 1 ;; esac
}

join=$(sed -n 's/^server: //p' "$CONFIG/config.yaml.d/10-start.yaml")
[ -z "$join" ] || ! is_listed "$join" || exit 0
echo "begins anew: K3s was never ready with what etcd left here"
rm -rf "$DATA/db/etcd"
