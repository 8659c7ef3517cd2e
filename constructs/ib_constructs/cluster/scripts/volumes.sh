# shellcheck shell=sh
# Runs on a server that stays, after lib.sh: another that leaves does not take the only copy of a volume with it. Needs NODE, and
# SERVER_NAME (the server it runs on).

LONGHORN=longhorn-system
# Said by a person who means to lose them.
WORD=inferencebros.com/volumes-may-go
# Said of a server while it leaves: it keeps nothing for another that leaves beside it.
LEAVES=inferencebros.com/leaves
# Longhorn copies 100 GiB in about a quarter of an hour over a wire of 1 Gbit/s.
EVICTION_SEC=1800

# annotation <name>: as a path in JSON.
annotation() {
  echo ".metadata.annotations.$1" | sed 's/inferencebros[.]com/inferencebros\\.com/'
}

# There is no cluster here, or none that answers; the caller asks another server.
cannot_be_asked() {
  [ -f "$K3S_CONFIG/k3s.yaml" ] && systemctl is-active --quiet k3s || return 0
  found=$(kubectl get node "$NODE" --ignore-not-found -o name) || return 0
  [ -n "$found" ] || exit 0 # gone already
  return 1
}

may_lose_volumes() {
  word=$(kubectl get node "$NODE" -o "jsonpath={$(annotation $WORD)}") && [ "$word" = yes ]
}

# Its add-ons are destroyed before its servers.
location_goes() {
  found=$(kubectl get namespace ingress --ignore-not-found -o name) && [ -z "$found" ]
}

# Claims of volumes that are a part of this server's disk (K3s's local-path).
claims_of_its_disk() {
  places=$(kubectl get persistentvolumes -o 'jsonpath={range .items[?(@.status.phase=="Bound")]}{.spec.claimRef.namespace}/{.spec.claimRef.name} {.spec.nodeAffinity.required.nodeSelectorTerms[*].matchExpressions[?(@.key=="kubernetes.io/hostname")].values[*]}{"\n"}{end}') || return 1
  echo "$places" | awk -v node="$NODE" 'NF == 2 && $2 == node { print $1 }'
}

# Longhorn's volumes without a healthy copy on another server that is there. Healthy is a copy that was built and has not failed
# since (longhorn/longhorn-manager v1.12, k8s/pkg/apis/longhorn/v1beta2/replica.go).
volumes_only_here() {
  found=$(kubectl get customresourcedefinition replicas.longhorn.io --ignore-not-found -o name) || return 1
  [ -n "$found" ] || return 0
  nodes=$(kubectl get nodes -o 'jsonpath={range .items[*]}{.metadata.name} ready={.status.conditions[?(@.type=="Ready")].status} leaves={'"$(annotation $LEAVES)"'}{"\n"}{end}') || return 1
  copies=$(kubectl get replicas.longhorn.io -n $LONGHORN -o 'jsonpath={range .items[*]}{.spec.volumeName} {.spec.nodeID} built={.spec.healthyAt} failed={.spec.failedAt}{"\n"}{end}') || return 1
  printf '%s\n%s\n' "$nodes" "$copies" | awk -v node="$NODE" '
    $2 == "ready=True" && $3 == "leaves=" { stays[$1] = 1 }
    NF == 4 && $3 != "built=" && $4 == "failed=" { if ($2 == node) here[$1] = 1; else if ($2 in stays) elsewhere[$1] = 1 }
    END { for (volume in here) if (!(volume in elsewhere)) print volume }' | sort
}

have_copies_elsewhere() {
  only=$(volumes_only_here) && [ -z "$only" ]
}

# stays <why …>
stays() {
  kubectl annotate node "$NODE" "$LEAVES-" >/dev/null || true
  die "$@"
}

cannot_ask() {
  stays "cannot ask the API which volumes $NODE would take with it, so that it stays. Deploy again."
}

# Longhorn attaches volumes that no pod uses for it, too.
evict_volumes() {
  only=$(volumes_only_here) || cannot_ask
  [ -n "$only" ] || return 0
  say "Longhorn copies to other servers what only $NODE has (at most $((EVICTION_SEC / 60)) minutes): $(echo "$only" | paste -sd ' ')"
  kubectl patch nodes.longhorn.io "$NODE" -n $LONGHORN --type merge -p '{"spec":{"allowScheduling":false,"evictionRequested":true}}' >/dev/null ||
    cannot_ask
  wait_for "other servers have copies of all volumes" $EVICTION_SEC have_copies_elsewhere || true
}

keep_volumes() {
  ! cannot_be_asked || exit 2
  ! location_goes || return 0
  ! may_lose_volumes || return 0
  kubectl annotate --overwrite node "$NODE" "$LEAVES=yes" >/dev/null || cannot_ask
  evict_volumes
  claims=$(claims_of_its_disk) || cannot_ask
  volumes=$(volumes_only_here) || cannot_ask
  lost=$(printf '%s\n' "$claims" "$volumes" | grep . | paste -sd ' ')
  [ -n "$lost" ] || return 0
  stays "$NODE has the only copy of $lost, and stays. Move or back up what is needed (docs/life-cycle.md, Volumes)" \
    "and deploy again. To lose it: kubectl annotate node $NODE $WORD=yes"
}
