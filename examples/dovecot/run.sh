#!/usr/bin/env bash
# From a git commit to a refused POP3 login, against a real Dovecot of its own.
#
# Starts a private Dovecot on loopback, as whoever calls it, root or not; touches nothing outside one directory in
# /tmp and removes that at the end. Ends with 0 only when everything it claims was seen.
#
#   POPGATE=path/to/popgate examples/dovecot/run.sh     default: builds target/release/popgate
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Admin GIT_AUTHOR_EMAIL=admin@contoso.example
export GIT_COMMITTER_NAME=Admin GIT_COMMITTER_EMAIL=admin@contoso.example

users=(alice bob carol dave mallory scanner-3)

# The line of the log that says that Dovecot was told.
restarted='restart of dovecot .*settled'

# --- telling what happens ------------------------------------------------------------------------------------------

step() { printf '\n%s\n' "$*"; }
seen() { printf '  ✓ %s\n' "$*"; }
fail() {
    printf '  ✗ %s\n' "$*"
    for log in "$dir/popgate.log" "$dir/dovecot.log"; do
        [ ! -s "$log" ] || { printf '\nthe end of %s:\n' "${log##*/}" && tail -n 20 "$log"; }
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

# --- a very small POP3 client --------------------------------------------------------------------------------------

# ask FD LINE: sends a line and prints the answer; fails when the connection is gone. The subshell takes the SIGPIPE.
ask() {
    local answer
    (printf '%s\r\n' "$2" >&"$1") 2>/dev/null || return 1
    IFS= read -r -t 15 -u "$1" answer || return 1
    printf '%s\n' "${answer%$'\r'}"
}

# sign_in FD USER: prints the answer to the password. The connection must be open and greeted.
sign_in() {
    ask "$1" "USER $2@contoso.example" >/dev/null && ask "$1" "PASS secret-of-$2"
}

# connect PORT: opens a connection, reads the greeting, and leaves the descriptor in $fd.
connect() {
    local greeting
    { exec {fd}<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    IFS= read -r -t 15 -u "$fd" greeting && [ -n "$greeting" ]
}

# login USER: one whole login; prints the server's answer to the password.
login() {
    local fd
    connect "$port" || { printf 'no connection\n' && return; }
    sign_in "$fd" "$1" || printf 'connection lost\n'
    ask "$fd" QUIT >/dev/null || true
    exec {fd}>&-
}

refused() { [[ "$(login "$1")" == -ERR* ]]; }

# closed FD: the server has closed the connection (or says so in answer to a command).
closed() {
    local answer
    answer=$(ask "$1" NOOP) || return 0
    [[ "$answer" != +OK* ]]
}

# --- a private Dovecot ---------------------------------------------------------------------------------------------

write_dovecot_conf() {
    local ids owner
    if [ "$(id -u)" = 0 ]; then
        owner="uid=65534 gid=65534"
        ids="mail_uid = 65534
mail_gid = 65534"
    else
        # Without root every process of Dovecot runs as the caller, so nothing may change user or root directory.
        owner="uid=$(id -u) gid=$(id -g)"
        ids="default_internal_user = $(id -un)
default_internal_group = $(id -gn)
default_login_user = $(id -un)
service anvil {
  chroot =
}
service pop3-login {
  chroot =
}
service imap-login {
  chroot =
}"
    fi
    cat >"$dir/dovecot.conf" <<END
base_dir = $dir/run
state_dir = $dir/dovecot-state
log_path = $dir/dovecot.log
listen = 127.0.0.1
protocols = pop3 imap
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
first_valid_uid = 1
mail_location = maildir:$dir/mail/%u
$ids
# A cache is what makes a change invisible until somebody flushes it.
auth_cache_size = 1M
auth_cache_ttl = 1 hour
auth_cache_negative_ttl = 1 hour
passdb {
  driver = sql
  args = $dir/sql.conf
}
userdb {
  driver = static
  args = $owner home=$dir/mail/%u
}
# Refused logins would slow down everybody on the same address, and here all come from 127.0.0.1.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service pop3-login {
  inet_listener pop3 {
    port = $port
  }
  inet_listener pop3s {
    port = 0
  }
}
service imap-login {
  inet_listener imap {
    port = $((port + 1))
  }
  inet_listener imaps {
    port = 0
  }
}
END
    # The flag is looked at for POP3 only. `nologin` gives a clear refusal instead of "wrong password".
    cat >"$dir/sql.conf" <<END
driver = sqlite
connect = $dir/db/users.db
default_pass_scheme = PLAIN
password_query = SELECT username AS user, password, \
 CASE WHEN '%Ls' = 'pop3' AND enablepop3 = 0 THEN 'Y' END AS nologin, \
 'POP3 is disabled for this account' AS reason \
 FROM mailbox WHERE username = '%Lu'
END
    chmod 600 "$dir/sql.conf"
}

create_users() {
    sqlite3 "$dir/db/users.db" >/dev/null <<END
PRAGMA journal_mode = WAL;
CREATE TABLE mailbox (
    username   TEXT PRIMARY KEY,
    password   TEXT NOT NULL,
    enablepop3 INTEGER NOT NULL DEFAULT 1
);
$(for user in "${users[@]}"; do
        printf "INSERT INTO mailbox VALUES ('%s@contoso.example', 'secret-of-%s', %d);\n" \
            "$user" "$user" "$([ "$user" = mallory ] && echo 0 || echo 1)"
    done)
END
}

greets() { (connect "$port") && (connect "$((port + 1))"); }

start_dovecot() {
    local attempt
    for attempt in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        # Somebody else's server there? Then another port.
        if (connect "$port") || (connect "$((port + 1))"); then continue; fi
        write_dovecot_conf
        # Never a pipe: a server that inherits one keeps it open for ever.
        dovecot -F -c "$dir/dovecot.conf" </dev/null >>"$dir/dovecot.start" 2>&1 &
        dovecot=$!
        if wait_for 10 greets; then return; fi
        stop_dovecot
    done
    cat "$dir/dovecot.start"
    fail "Dovecot does not start (attempt $attempt)"
}

stop_dovecot() {
    [ -n "$dovecot" ] || return 0
    local children
    # Sessions outlive the master by half a minute unless they are told, too.
    children=$(cat "/proc/$dovecot/task/$dovecot/children" 2>/dev/null || true)
    # shellcheck disable=SC2086 # several process ids
    kill "$dovecot" $children 2>/dev/null || true
    wait "$dovecot" 2>/dev/null || true
    dovecot=
}

# --- the demo ------------------------------------------------------------------------------------------------------

for program in dovecot doveadm sqlite3 git; do
    command -v "$program" >/dev/null || {
        printf '%s is missing. On Debian: tests/run --install\n' "$program" >&2
        exit 1
    }
done
case "$(dovecot --version)" in
    2.3.*) ;;
    *)
        printf 'this demo has the configuration of Dovecot 2.3; here is %s\n' "$(dovecot --version)" >&2
        exit 1
        ;;
esac

popgate=${POPGATE:-}
if [ -z "$popgate" ]; then
    (cd "$repo" && cargo build --release --quiet)
    popgate=$repo/target/release/popgate
fi
popgate=$(realpath "$popgate")

# Short, because the path of a Unix socket may have 108 characters at most.
dir=$(mktemp -d /tmp/popgate.XXXXXX)
# Other users' processes (Dovecot's, when root calls) must get through, and see nothing.
chmod 711 "$dir"
dovecot='' daemon=''
# shellcheck disable=SC2317 # called by the trap
cleanup() {
    [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
    stop_dovecot
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step "1. A Dovecot with ${#users[@]} users, and a git repository that says who may use POP3."
mkdir "$dir/run" "$dir/dovecot-state" "$dir/mail" "$dir/db"
[ "$(id -u)" != 0 ] || chown 65534:65534 "$dir/mail"
create_users
start_dovecot
seen "Dovecot $(dovecot --version | cut -d' ' -f1) serves POP3 on 127.0.0.1:$port"

git init --quiet --bare --initial-branch=main "$dir/origin.git"
git clone --quiet "$dir/origin.git" "$dir/admin" 2>/dev/null
cp -R "$here/desired-state" "$dir/admin/"
git -C "$dir/admin" checkout --quiet -B main
git -C "$dir/admin" add .
git -C "$dir/admin" commit --quiet -m "Who may use POP3"
git -C "$dir/admin" push --quiet origin main
git clone --quiet "$dir/origin.git" "$dir/server"
cp "$here/popgate.yaml" "$dir/"
seen "origin.git, the clone of an administrator, and the clone that popgate watches"

step "2. popgate takes over. Dovecot and the files agree, so there is nothing to do."
"$popgate" --config "$dir/popgate.yaml" plan --detailed-exitcode >"$dir/plan.txt" ||
    { cat "$dir/plan.txt" && fail "the first plan is not empty"; }
sed 's/^/  | /' "$dir/plan.txt"
"$popgate" --config "$dir/popgate.yaml" run </dev/null >"$dir/popgate.log" 2>&1 &
daemon=$!
wait_for 20 test -e "$dir/state" || fail "popgate run has not made its state directory"
up() { "$popgate" --config "$dir/popgate.yaml" status >"$dir/status.txt" 2>&1; }
wait_for 20 up || { cat "$dir/status.txt" && fail "popgate run is not up"; }
seen "the daemon runs"

step "3. Everybody but Mallory reads mail over POP3. Alice and Bob stay connected."
for user in alice bob carol dave scanner-3; do
    answer=$(login "$user")
    [[ "$answer" == +OK* ]] || fail "$user should be let in: $answer"
done
seen "alice, bob, carol, dave and scanner-3 are let in"
answer=$(login mallory)
[[ "$answer" == -ERR* ]] || fail "mallory should be refused: $answer"
seen "mallory is refused: $answer"
connect "$port" || fail "no connection for alice"
alice=$fd
connect "$port" || fail "no connection for bob"
bob=$fd
connect "$((port + 1))" || fail "no IMAP connection for alice"
imap=$fd
[[ "$(sign_in "$alice" alice)" == +OK* ]] || fail "no session for alice"
[[ "$(sign_in "$bob" bob)" == +OK* ]] || fail "no session for bob"
[[ "$(ask "$imap" "a LOGIN alice@contoso.example secret-of-alice")" == "a OK"* ]] || fail "no IMAP session for alice"
seen "open: a POP3 session of alice, one of bob, an IMAP session of alice"

step "4. Three commits in a row take POP3 from carol, dave and alice. Each is pulled at once."
for user in carol dave alice; do
    sed -i "s/^  $user@contoso.example: enabled$/  $user@contoso.example: disabled/" \
        "$dir/admin/desired-state/staff.yaml"
    git -C "$dir/admin" commit --quiet -am "Disable POP3 for $user"
    git -C "$dir/admin" push --quiet origin main
    git -C "$dir/server" pull --quiet --ff-only
    seen "$(git -C "$dir/server" log -1 --format='%h %s')"
    sleep 0.7
done

step "5. What their mail programs see."
for user in alice carol dave; do
    wait_for 30 refused "$user" || fail "$user can still log in: $(login "$user")"
    seen "$user is refused: $(login "$user")"
done
wait_for 15 closed "$alice" || fail "the POP3 session of alice still answers"
seen "the POP3 session that alice had open has ended"
answer=$(ask "$bob" NOOP) || answer="connection lost"
[[ "$answer" == +OK* ]] || fail "the session of bob should live: $answer"
seen "bob's has not: $answer"
answer=$(ask "$imap" "b NOOP") || answer="connection lost"
[[ "$answer" == "b OK"* ]] || fail "the IMAP session of alice should live: $answer"
seen "alice's IMAP session has not either: $answer"
answer=$(login bob)
[[ "$answer" == +OK* ]] || fail "bob should be let in: $answer"
seen "bob is let in again: $answer"

step "6. One flush for three commits."
wait_for 15 grep -q "$restarted" "$dir/popgate.log" || fail "the log does not say that Dovecot was told"
# Long enough for a second one to show itself, if there were one.
sleep 4
count=$(grep -c "$restarted" "$dir/popgate.log" || true)
[ "$count" = 1 ] || fail "Dovecot should have been told once, and was told $count times"
grep "$restarted" "$dir/popgate.log" | sed 's/^/  | /'
seen "the log has exactly one such line"
"$popgate" --config "$dir/popgate.yaml" status >"$dir/status.txt" || { cat "$dir/status.txt" && fail "status failed"; }
sed 's/^/  | /' "$dir/status.txt"
seen "nothing is owed"

step "7. The daemon is asked to stop."
kill "$daemon"
code=0
wait "$daemon" || code=$?
daemon=
[ "$code" = 143 ] || [ "$code" = 0 ] || fail "popgate run ended with $code"
seen "it finished its step, wrote its journal and left"
printf '\nAll of it was seen.\n'
