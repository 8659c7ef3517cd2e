#!/usr/bin/env bash
# clocks.sh [pytest's arguments]: runs the unit tests (or those) as on other days, and prints a line for each day; the output of
# what failed comes on standard error. CLOCK names one of the clocks, or `today`: the one whose turn it is by the day of the year.
set -euo pipefail
cd "$(dirname "$0")/.."

clocks=(40-days 120-days 400-days leap-day new-year second)
unit=(tests/control tests/infra tests/test_*.py)
now=$(date -u +%s)

# begins <clock>: when it begins, in seconds since 1970
begins() {
  local year
  year=$(date -u +%Y)
  case $1 in
    *-days) echo $((now + ${1%-days} * 86400)) ;;
    leap-day)
      until date -u -d "$((year += 1))-02-29" >/dev/null 2>&1; do :; done
      date -u -d "$year-02-29 12:00" +%s
      ;;
    # The year ends while the tests are collected.
    new-year) date -u -d "$year-12-31 23:59:50" +%s ;;
    # When the invoices of the month before may be made.
    second) date -u -d "$(date -u +%Y-%m-02) + 1 month + 1 minute" +%s ;;
  esac
}

# at <seconds since 1970> <command>: time goes on from there for all its processes. What counts from anywhere is left alone, and
# with it the length of timeouts, which libfaketime "fixes" otherwise: Python's threads would take turns without a pause. Files
# keep their real times, as Python's caches of them do.
at() {
  local begin=$1
  shift
  NO_FAKE_STAT=1 FAKETIME_FORCE_MONOTONIC_FIX=0 faketime --exclude-monotonic -f "$(printf '%+d' $((begin - $(date -u +%s))))s" "$@"
}

run() {
  local clock=$1 begin status=0
  shift
  begin=$(begins "$clock")
  at "$begin" .venv/bin/python -m pytest -q -p no:cacheprovider -n auto --maxprocesses 4 "$@" >"$folder/log" 2>&1 || status=$?
  printf '%-9s %s  %s\n' "$clock" "$(date -u -d "@$begin" '+%F %T')" "$(tail -n 1 "$folder/log")"
  [ "$status" -eq 0 ] || cat "$folder/log" >&2
  return "$status"
}

case ${CLOCK:-} in
  "") ;;
  today) clocks=("${clocks[$((10#$(date -u +%j) % ${#clocks[@]}))]}") ;;
  *)
    [[ " ${clocks[*]} " = *" $CLOCK "* ]] || { echo "there is no clock $CLOCK; there are: ${clocks[*]}" >&2; exit 2; }
    clocks=("$CLOCK")
    ;;
esac

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# With the monotonic clock left alone, Debian 12's libfaketime fails where Python from 3.11 on sleeps.
if ! at "$now" .venv/bin/python -c 'import time; time.sleep(0.001)' 2>/dev/null; then
  cat >"$folder/sitecustomize.py" <<'PYTHON'
import select
import time

time.sleep = lambda seconds: select.select((), (), (), seconds) and None
PYTHON
  export PYTHONPATH="$folder${PYTHONPATH:+:$PYTHONPATH}"
fi

[ $# -gt 0 ] || set -- "${unit[@]}"
failed=0
for clock in "${clocks[@]}"; do
  run "$clock" "$@" || failed=1
done
exit "$failed"
