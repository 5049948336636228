#!/usr/bin/env bash
# Replays the programs beside this script over the series they name, and holds what they would have said against the
# labelled incidents, as two tables in Markdown.
#
#   examples/nab/replay.sh DATA      DATA: a checkout of the benchmark, or its series beside a windows.json
#
# An incident is seen by the first page or ticket inside its window. What is said outside of every window is counted.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${SIGNALBOX_BUILD:-$here/../../build}
data=${1:?usage: examples/nab/replay.sh DATA}
windows=$data/windows.json
if [ ! -f "$windows" ]; then windows=$data/labels/combined_windows.json; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

minutes_after() { # minutes_after START TIME
  echo "$((($(date -u -d "$2" +%s) - $(date -u -d "$1" +%s)) / 60)) min"
}

incidents='' totals=''
for program in "$here"/*.slo; do
  metric=$(awk '$1 == "metric" { print $2; exit }' "$program")
  if [ -z "$metric" ]; then continue; fi # the module that they share
  csv=$(find "$data" -name "$metric.csv" -print -quit)
  if [ -z "$csv" ]; then
    echo "replay.sh: there is no $metric.csv under $data" >&2
    exit 1
  fi
  name=$(basename "$program" .slo)
  series=$(basename "$(dirname "$csv")")/$metric
  "$build/examples/nab2om" "$csv" >"$work/$metric.om"
  "$build/examples/nab2om" --windows "$windows" "$series" >"$work/windows"
  "$build/signalbox" replay "$program" --data "$work/$metric.om" >"$work/said" 2>"$work/progress" || {
    cat "$work/progress" >&2
    exit 1
  }
  awk '$2 == "page" || $2 == "ticket" { print $1, $2, $3 }' "$work/said" >"$work/events"

  while read -r _ start end; do
    # Instants in one form and one zone: in order as text.
    seen=$(awk -v from="$start" -v to="$end" '$1 >= from && $1 <= to { print; exit }' "$work/events")
    page=$(awk -v from="$start" -v to="$end" '$1 >= from && $1 <= to && $2 == "page" { print; exit }' "$work/events")
    length=$(minutes_after "$start" "$end")
    told='not seen' paged='–'
    if [ -n "$seen" ]; then
      read -r at kind slo <<<"$seen"
      told="$kind of \`$slo\` after $(minutes_after "$start" "$at")"
    fi
    if [ -n "$page" ]; then
      read -r at _ slo <<<"$page"
      paged="\`$slo\` after $(minutes_after "$start" "$at")"
    fi
    incidents+="| \`$name.slo\` | $start | $length | $told | $paged |"$'\n'
  done <"$work/windows"

  count() { # count KIND: inside a window, outside of all
    awk -v kind="$1" '
      NR == FNR { from[NR] = $2; to[NR] = $3; n = NR; next }
      $2 == kind { hit = 0; for (i = 1; i <= n; ++i) if ($1 >= from[i] && $1 <= to[i]) hit = 1; if (hit) ++in_; else ++out }
      END { printf "%d | %d", in_, out }' "$work/windows" "$work/events"
  }
  lost=$(awk '$2 == "missing" { ++n } END { print n + 0 }' "$work/said")
  days=$(awk -F, 'NR == 2 { a = $1 } END { print a, $1 }' "$csv" | {
    read -r d1 t1 d2 t2
    echo "$((($(date -u -d "$d2 $t2" +%s) - $(date -u -d "$d1 $t1" +%s)) / 86400))"
  })
  totals+="| \`$name.slo\` | $days | $(count page) | $(count ticket) | $lost |"$'\n'
done

printf '| program | incident from | it lasts | first told | first page |\n|---|---|---|---|---|\n%s\n' "$incidents"
printf '| program | days | pages inside | pages outside | tickets inside | tickets outside | lost data |\n'
printf '|---|---|---|---|---|---|---|\n%s' "$totals"
