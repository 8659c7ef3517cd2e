#!/bin/sh
# Runs on a server in role server, whose K3s is the way to the API: gives a Node the labels and taints that the location file
# names, and takes away those that it named before.
# Needs SERVER_NAME (the server it runs on), NODE, LABELS (key=value …), TAINTS (key=value:effect …); both may be empty.
set -eu
STAGE=$(dirname "$0")
. "$STAGE/lib.sh"
clear_stage_on_exit

# An annotation with what was given, each as label/<key> or taint/<key>:<effect>.
GIVEN=inferencebros.com/given

kubectl() {
  "$K3S_BIN" kubectl --request-timeout=20s "$@" > "$STAGE/kubectl.log" 2>&1 || {
    cat "$STAGE/kubectl.log" >&2
    die "cannot give node $NODE its labels and taints; deploy again when the API answers"
  }
}

# of_node <jsonpath>
of_node() {
  kubectl get node "$NODE" -o "jsonpath=$1"
  cat "$STAGE/kubectl.log"
}

wanted_keys() {
  for label in $LABELS; do echo "label/${label%%=*}"; done
  for taint in $TAINTS; do echo "taint/${taint%%[=:]*}:${taint##*:}"; done
}

# kubectl fails where there is no such taint.
remove_taint() {
  ! of_node '{range .spec.taints[*]}{.key}:{.effect}{"\n"}{end}' | grep -qxF "$1" || kubectl taint node "$NODE" "$1-"
}

wanted=$(wanted_keys | paste -sd ' ')
was=$(of_node '{.metadata.annotations.inferencebros\.com/given}')
[ -n "$wanted$was" ] || exit 0
# Killed in between, the next run still knows of all.
kubectl annotate --overwrite node "$NODE" "$GIVEN=$was $wanted"
for each in $was; do
  case " $wanted " in *" $each "*) continue ;; esac
  case $each in
    label/*) kubectl label node "$NODE" "${each#label/}-" ;;
    taint/*) remove_taint "${each#taint/}" ;;
  esac
done
# shellcheck disable=SC2086 # lists
[ -z "$LABELS" ] || kubectl label --overwrite node "$NODE" $LABELS
# shellcheck disable=SC2086 # lists
[ -z "$TAINTS" ] || kubectl taint --overwrite node "$NODE" $TAINTS
if [ -n "$wanted" ]; then
  kubectl annotate --overwrite node "$NODE" "$GIVEN=$wanted"
else
  kubectl annotate node "$NODE" "$GIVEN-"
fi
say "node $NODE has the labels and taints of the location file"
