#!/usr/bin/env bash
# The demo: steady traffic, a bad deploy, and Signalbox putting it right. Less than two minutes; everything
# stays on loopback. Exits 0 only if the deploy was rolled back and verified in time.
#
#   SIGNALBOX_BUILD   the build folder (default: build, at the top of the repository)
set -euo pipefail
cd "$(dirname "$0")/../.."

build=${SIGNALBOX_BUILD:-build}
program=examples/demo/demo.slo
policy=roll_back_checkout
shop_port=18080
good_traffic=22    # seconds before the deploy: four scrapes and a little
patience=80        # seconds from the deploy to `verified`; past them the demo has failed

work=$(mktemp -d "${TMPDIR:-/tmp}/signalbox-demo.XXXXXX")
pids=()
finish() {
  local code=$?
  trap - EXIT INT TERM
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ "$code" -eq 0 ]; then rm -rf "$work"; else echo "logs are kept in $work" >&2; fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo >&2
  echo "demo: $1" >&2
  if [ -s "$work/signalbox.err" ]; then tail -n 20 "$work/signalbox.err" >&2; fi
  exit 1
}

# field NAME LINE: a text field of a flat JSON object on one line, its escapes for quotes undone. Empty when absent.
field() {
  sed -nE 's/.*"'"$1"'":"(([^"\\]|\\.)*)".*/\1/p' <<<"$2" | sed 's/\\"/"/g; s/\\\\/\\/g'
}

# Milliseconds since 1970 of an RFC 3339 time.
ms() { date -u -d "$1" +%s%3N; }

clock() { date -u -d "$1" +%H:%M:%S.%3N; }

http() {  # http METHOD PATH [BODY]
  curl -sS --fail --max-time 5 -X "$1" -H 'Content-Type: application/json' ${3:+--data "$3"} \
    "http://127.0.0.1:$shop_port$2"
}

# read_records: takes in what `signalbox run` has written since the last call, prints it, and keeps the
# policy's own story in decided_at, executed_at, verified_at, decision and ended. The only place that knows
# the format of the records.
lines_read=0
decided_at='' executed_at='' verified_at='' decision='' ended=''
read_records() {
  local line kind time declaration
  local fresh=()
  # A last line without its newline is still being written.
  mapfile -t fresh < <(head -n "$(wc -l <"$work/records")" "$work/records" | tail -n "+$((lines_read + 1))")
  for line in "${fresh[@]}"; do
    lines_read=$((lines_read + 1))
    kind=$(field kind "$line")
    time=$(field time "$line")
    declaration=$(field declaration "$line")
    if [ -z "$kind" ] || [ -z "$time" ]; then continue; fi
    printf '%s  %-11s %-22s %s\n' "$(clock "$time")" "$kind" "$declaration" "$(field why "$line")"
    if [ "$declaration" != "$policy" ]; then continue; fi
    case $kind in
      decided) decided_at=$time decision=$(field id "$line") ;;
      executed) executed_at=$time ;;
      verified) verified_at=$time ;;
      not_helped | unverified | superseded | escalated | refused) ended=$kind ;;
    esac
  done
}

say() { printf '%s  %s\n' "$(date -u +%H:%M:%S.%3N)" "$1"; }

for part in signalbox examples/demo_shop examples/demo_load; do
  [ -x "$build/$part" ] || fail "$build/$part is missing; ./dev demo builds it"
done

# One secret signs what Signalbox sends: the shop refuses a rollback without it.
SIGNALBOX_SECRET_SHOP_KEY=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
export SIGNALBOX_SECRET_SHOP_KEY
"$build/examples/demo_shop" --port "$shop_port" --secret "$SIGNALBOX_SECRET_SHOP_KEY" >"$work/shop.log" 2>"$work/shop.err" &
pids+=($!)
for _ in $(seq 50); do
  if [ -s "$work/shop.log" ]; then break; fi
  if [ -s "$work/shop.err" ]; then fail "$(cat "$work/shop.err")"; fi
  sleep 0.1
done
[ -s "$work/shop.log" ] || fail "the shop did not start"
say "the shop serves v1 on 127.0.0.1:$shop_port"

"$build/examples/demo_load" --port "$shop_port" --rate 100 --for 180s --log "$work/load.log" &
load=$!
pids+=("$load")
say "customers check out 100 times a second"

: >"$work/records"
"$build/signalbox" run "$program" --state "$work/state" --listen 127.0.0.1:18081 >"$work/records" 2>"$work/signalbox.err" &
signalbox=$!
pids+=("$signalbox")
say "signalbox runs $program; $good_traffic seconds of good traffic first"

watch() {  # watch SECONDS: read records that long, or until the policy's story ends
  local until=$(($(date +%s%3N) + $1 * 1000))
  while [ "$(date +%s%3N)" -lt "$until" ]; do
    read_records
    if [ -n "$verified_at$ended" ]; then return 0; fi
    if ! kill -0 "$signalbox" 2>/dev/null; then
      read_records
      fail "signalbox stopped early"
    fi
    sleep 0.3
  done
}

watch "$good_traffic"
if [ -n "$decided_at$ended" ]; then fail "it acted before there was anything to act on"; fi

deployed_at=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
http POST /deploy '{"version":"v2","errors":0.25}' >/dev/null || fail "the deploy failed"
say "v2 is deployed: one checkout in four fails"

watch "$patience"
if [ -n "$ended" ]; then fail "the decision ended as $ended"; fi
[ -n "$decided_at" ] || fail "nothing was decided within $patience seconds"
[ -n "$verified_at" ] || fail "the rollback was not verified within $patience seconds"
running=$(field version "$(http GET /version)")
[ "$running" = v1 ] || fail "signalbox says verified, but the shop runs $running"

kill "$load"
wait "$load" || true
kill "$signalbox"
wait "$signalbox" || true

echo
"$build/signalbox" why "$decision" --state "$work/state" || fail "signalbox cannot explain $decision"

load_time() {  # load_time EVENT: when, by the customers' clock, of v2
  local line
  line=$(grep -F "\"event\":\"$1\"" "$work/load.log" | grep -F '"version":"v2"' | tail -n 1) || true
  field time "$line"
}
first_bad=$(load_time first_bad)
last_bad=$(load_time last_bad)
[ -n "$first_bad" ] || fail "no customer saw v2 fail"

row() {
  local after=$(($(ms "$2") - $(ms "$deployed_at")))
  printf '  %-18s %s  %4d.%03d s\n' "$1" "$(clock "$2")" "$((after / 1000))" "$((after % 1000))"
}
echo
echo "By the clock of this machine (UTC), and since the deploy:"
row "deploy" "$deployed_at"
row "first bad answer" "$first_bad"
row "decision" "$decided_at"
row "last bad answer" "$last_bad"
if [ -n "$executed_at" ]; then row "rolled back" "$executed_at"; fi
row "verified" "$verified_at"
pages=$(http GET /pages)
if [ "$pages" = '[]' ]; then
  echo "Nobody was paged."
else
  echo "Pages: $pages"
fi
