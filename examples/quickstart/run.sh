#!/usr/bin/env bash
# The main job on the embedded default: files in, one batch and one announced restart out.
#
# Works on a copy of desired-state/ in a directory of its own, which is removed at the end. Ends with 0 only when
# everything it claims was seen.
#
#   POPGATE=path/to/popgate examples/quickstart/run.sh     default: builds target/release/popgate
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)

# Lines of the log: a batch was written; the service was told.
batch='batch [0-9]*:'
restarted='would be restarted'

step() { printf '\n%s\n' "$*"; }
seen() { printf '  ✓ %s\n' "$*"; }
fail() {
    printf '  ✗ %s\n' "$*"
    for file in "$dir/out" "$dir/log"; do
        [ ! -s "$file" ] || { printf '\nthe end of %s:\n' "${file##*/}" && tail -n 20 "$file"; }
    done
    exit 1
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails when it does not in time.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# expect CODE ARGUMENTS...: runs popgate, shows what it prints, and insists on its exit code.
expect() {
    local wanted=$1 code=0
    shift
    printf '  $ popgate %s\n' "$*"
    "$popgate" "$@" </dev/null >"$dir/out" 2>"$dir/err" || code=$?
    sed 's/^/  | /' "$dir/out" "$dir/err"
    [ "$code" = "$wanted" ] || fail "popgate $1 should end with $wanted, and ended with $code"
}

# Files and store agree: the plan is empty.
in_step() { "$popgate" plan --detailed-exitcode >out 2>&1; }

count() { grep -c -- "$1" "$dir/log" || true; }

popgate=${POPGATE:-}
if [ -z "$popgate" ]; then
    (cd "$repo" && cargo build --release --quiet)
    popgate=$repo/target/release/popgate
fi
popgate=$(realpath "$popgate")

dir=$(mktemp -d)
daemon=''
# shellcheck disable=SC2317 # called by the trap
cleanup() {
    [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cp -R "$repo/desired-state" "$here/popgate.yaml" "$dir/"
cd "$dir"

step "1. Is it right, and what would it do? Nothing is written yet."
expect 0 validate
expect 0 plan
grep -q 'alice@contoso.example' out || fail "the plan should name alice"
[ ! -e .popgate/pop3.db ] || fail "a plan must not create the store"
seen "the plan names what will change, and why"

step "2. Do it. The store of the embedded default is new, so every user is created in it."
expect 0 apply --yes
expect 0 plan --detailed-exitcode
seen "done: the next plan is empty"

step "3. Take POP3 from alice. The command edits the file, and keeps its comments."
comments=$(grep -c '#' desired-state/sales.yaml)
expect 0 set alice@contoso.example disabled --reason "CHG-2001 moved to the new client"
[ "$(grep -c '#' desired-state/sales.yaml)" = "$comments" ] || fail "comments were lost"
expect 2 plan --detailed-exitcode
seen "the file says it; the store does not know yet"

step "4. The daemon finds it and keeps watching."
"$popgate" run </dev/null >daemon.out 2>log &
daemon=$!
wait_for 20 in_step || fail "alice should be disabled by now"
wait_for 20 grep -q -- "$restarted" log || fail "no restart was announced"
expect 0 get alice@contoso.example
seen "alice is disabled, and the restart was announced"

step "5. 40 files, saved within a second."
batches=$(count "$batch") restarts=$(count "$restarted")
for number in $(seq 10 49); do
    printf 'pop3:\n  new-%s@contoso.example: enabled\n' "$number" >"desired-state/new-$number.yaml"
done
wait_for 20 in_step || fail "the new users should be in the store by now"
told() { [ "$(count "$restarted")" -gt "$restarts" ]; }
wait_for 20 told || fail "no restart was announced for them"
# Long enough for a second one to show itself, if there were one.
sleep 3
[ $(($(count "$batch") - batches)) = 1 ] || fail "40 files should be one batch"
[ $(($(count "$restarted") - restarts)) = 1 ] || fail "40 files should be one restart"
sed 's/^/  | /' log
seen "one batch, one restart"
expect 0 status
seen "nothing is owed"

step "6. The daemon is asked to stop."
kill "$daemon"
code=0
wait "$daemon" || code=$?
daemon=
[ "$code" = 143 ] || [ "$code" = 0 ] || fail "popgate run ended with $code"
seen "it finished its step, wrote its journal and left"
printf '\nAll of it was seen.\n'
