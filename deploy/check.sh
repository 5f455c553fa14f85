#!/bin/sh
# Shows that deploy/ works, on a Debian of its own in a folder: the installer twice, units, nginx, helper, backup, restore,
# upgrade and roll-back. Takes some minutes and needs root, debootstrap and the package mirrors; nothing of this machine
# is changed.
#
#   sh deploy/check.sh [FOLDER]     FOLDER is where that Debian lies (default: a new one, removed at the end)
#
# SUITE (bookworm) and MIRROR choose the Debian. CHECK_BIND names folders of this machine that pip needs to see.
set -eu
umask 022
source=$(cd "$(dirname "$0")/.." && pwd)
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
root=${1:-}

fail() {
    echo "FAILED: $1" >&2
    exit 1
}
step() {
    echo
    echo "== $1"
}
inside() {
    chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        PIP_CERT="${PIP_CERT:-}" PIP_FIND_LINKS="${PIP_FIND_LINKS:-}" http_proxy="${http_proxy:-}" \
        https_proxy="${https_proxy:-}" "$@"
}
as_lux() {
    inside setpriv --reuid lux --regid lux --init-groups "$@"
}
query() {
    inside runuser -u postgres -- psql -qAtc "$1" lux
}
[ "$(id -u)" = 0 ] || fail "this needs root"
command -v debootstrap >/dev/null || fail "this needs debootstrap"

# A mount namespace of its own: what is mounted below goes away with this script, however it ends.
if [ -z "${LUX_CHECK_APART:-}" ]; then
    made=
    [ -n "$root" ] || { root=$(mktemp -d /var/tmp/lux-check.XXXXXX) && made=$root && chmod 755 "$root"; }
    status=0
    LUX_CHECK_APART=1 unshare --mount --pid --fork --kill-child sh "$0" "$root" || status=$?
    [ -z "$made" ] || rm -rf --one-file-system "$made"
    exit "$status"
fi

step "a clean $suite in $root"
if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=ca-certificates,systemd "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
        { tail -n 5 "$root.log" >&2 && fail "debootstrap"; }
    rm -f "$root.log"
fi
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/dev"
mkdir -p "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
chmod 1777 "$root/dev/shm"
for device in "null 1 3" "zero 1 5" "random 1 8" "urandom 1 9" "full 1 7"; do
    # shellcheck disable=SC2086 # name, major, minor
    set -- $device
    mknod -m 666 "$root/dev/$1" c "$2" "$3"
done
ln -s /proc/self/fd "$root/dev/fd"
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || :
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt" 2>/dev/null || :
[ ! -e /etc/pip.conf ] || cp -L /etc/pip.conf "$root/etc/pip.conf"
for folder in ${CHECK_BIND:-}; do
    mkdir -p "$root$folder"
    mount --bind -o ro "$folder" "$root$folder"
done
# Nothing that a package brings is started by itself, except what this script starts.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
rm -rf "$root/srv/lux"
mkdir -p "$root/srv/lux"
(cd "$source" && tar -c --exclude=./.git --exclude=./.venv --exclude=./var --exclude=node_modules --exclude=__pycache__ \
    --exclude=./.cache --exclude=./.mypy_cache --exclude=./.ruff_cache --exclude=./.hypothesis .) | tar -C "$root/srv/lux" -x

step "the installer, once"
inside sh /srv/lux/deploy/install.sh --domain lux.example --self-signed
state() {
    inside sh -c 'find /etc/lux /etc/nginx /etc/systemd/system /etc/sudoers.d /etc/logrotate.d /usr/local /var/www/lux \
        -path "*/.venv" -prune -o -path "*/__pycache__" -prune -o \( -type f -o -type l \) -printf "%p %m %u %s %T@ %l\n" | sort'
}
state >"$root/tmp/first"

step "the installer, again: nothing changes"
inside sh /srv/lux/deploy/install.sh --domain lux.example --self-signed
state >"$root/tmp/second"
diff "$root/tmp/first" "$root/tmp/second" || fail "the second run changed something"

step "who owns what"
inside stat -c '%a %U:%G %n' /etc/lux/lux.env /var/lib/lux /var/backups/lux /var/log/gunicorn /var/www/lux/logs
[ "$(inside stat -c '%a %U' /etc/lux/lux.env)" = "600 root" ] || fail "lux.env is open"
inside id lux
as_lux test ! -r /etc/lux/lux.env || fail "lux can read lux.env"
as_lux test ! -w /var/www/lux/current/app.py || fail "lux can write its own code"

step "systemd-analyze verify and security, nginx -t, visudo, logrotate"
inside sh -c 'systemd-analyze verify --man=no /etc/systemd/system/lux*'
for unit in lux lux-worker lux-backup lux-helper@; do
    inside systemd-analyze security --offline=true --threshold=20 "/etc/systemd/system/$unit.service" | tail -n 1
done
inside nginx -t
inside visudo -c
as_lux sh -c 'echo first >/var/log/gunicorn/gunicorn.err; echo first >/var/www/lux/logs/app.log'
inside logrotate -f /etc/logrotate.d/lux
for log in /var/log/gunicorn/gunicorn.err /var/www/lux/logs/app.log; do
    [ "$(cat "$root$log.1")" = first ] && [ ! -s "$root$log" ] || fail "$log was not rotated"
    inside stat -c '%a %U:%G %n' "$log" "$log.1"
done

step "the service helper: its verbs and nothing else"
for asked in "restart-web; touch /tmp/owned" "stop ssh" "" "--help" "\$(touch /tmp/owned)" "../lux-service"; do
    inside /usr/local/sbin/lux-service "$asked" >/dev/null && fail "the helper took: $asked"
    printf '%s\n' "$asked" | inside /usr/local/sbin/lux-service --from-socket >/dev/null && fail "the socket took: $asked"
    as_lux sudo -n /usr/local/sbin/lux-service "$asked" >/dev/null 2>&1 && fail "sudo took: $asked"
done
[ ! -e "$root/tmp/owned" ] || fail "the helper carried out what it was told"
as_lux sudo -n /bin/sh -c true 2>/dev/null && fail "sudo gives lux a shell"
as_lux sudo -n -l /usr/local/sbin/lux-service restart-web

step "LUX runs with the settings of its unit, behind nginx"
in_background() {
    inside sh -c '. /srv/lux/deploy/settings.sh && load_settings /etc/lux/lux.env && cd /var/www/lux/current &&
        exec setpriv --reuid lux --regid lux --init-groups '"$1" >"$root/tmp/$2.log" 2>&1 &
}
start_web() {
    in_background '.venv/bin/python -m gunicorn -c deploy/gunicorn.conf.py --error-logfile /var/log/gunicorn/gunicorn.err \
        --capture-output --pid /tmp/gunicorn.pid "app:create_app()"' web
    tries=0
    until inside curl -fsS -o /dev/null http://127.0.0.1:5000/readyz 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || { cat "$root/tmp/web.log" "$root/var/log/gunicorn/gunicorn.err" && fail "LUX does not answer"; }
        sleep 1
    done
}
stop_web() {
    inside sh -c 'kill "$(cat /tmp/gunicorn.pid)"'
    while inside sh -c '[ -e /tmp/gunicorn.pid ]'; do sleep 0.2; done
}
start_web
inside nginx
visit() {
    inside curl -sk -o /dev/null -w '%{http_code}' --resolve lux.example:443:127.0.0.1 "https://lux.example$1"
}
for expected in "200 /livez" "404 /.env" "404 /.git/config" "404 /static/.env"; do
    [ "$(visit "${expected#* }")" = "${expected% *}" ] || fail "$expected, not $(visit "${expected#* }")"
    echo "$expected"
done
inside curl -sk -D - -o /dev/null --resolve lux.example:443:127.0.0.1 -H 'X-Request-ID: forged-by-visitor' \
    https://lux.example/livez | grep -iE '^(x-request-id|strict-transport)' | tr -d '\r'

step "backup and restore of a filled database"
query "INSERT INTO contacts (email) SELECT 'person' || n || '@example.com' FROM generate_series(1, 500) AS n" 2>/dev/null ||
    query "CREATE TABLE filled AS SELECT n FROM generate_series(1, 500) AS n; ALTER TABLE filled OWNER TO lux"
table=$(query "SELECT CASE WHEN to_regclass('filled') IS NULL THEN 'contacts' ELSE 'filled' END")
echo keep >"$root/var/lib/lux/kept"
inside chown lux:lux /var/lib/lux/kept
backup=$(inside /usr/local/bin/lux back-up)
echo "$backup: $(inside tar -tf "$backup" | tr '\n' ' ')"
query "DELETE FROM $table; CREATE TABLE newer (n int); ALTER TABLE newer OWNER TO lux"
rm -f "$root/var/lib/lux/kept"
stop_web
inside /usr/local/bin/lux restore "$backup"
[ "$(query "SELECT count(*) FROM $table")" = 500 ] || fail "the rows did not come back"
[ -z "$(query "SELECT to_regclass('newer')")" ] || fail "a newer table stayed"
[ "$(cat "$root/var/lib/lux/kept")" = keep ] || fail "the data folder did not come back"
printf x | dd of="$root$backup" bs=1 seek=20000 conv=notrunc 2>/dev/null
inside /usr/local/bin/lux restore "$backup" 2>/dev/null && fail "a damaged backup was put back"
[ "$(query "SELECT count(*) FROM $table")" = 500 ] || fail "a damaged backup changed the database"

step "upgrade and roll back"
before=$(inside readlink /var/www/lux/current)
echo "# a newer LUX" >>"$root/srv/lux/CHANGELOG.md"
inside /usr/local/bin/lux upgrade /srv/lux
after=$(inside readlink /var/www/lux/current)
[ "$before" != "$after" ] || fail "the upgrade put nothing in place"
release() {
    inside sh -c 'cd "$1" && .venv/bin/python -c "from pathlib import Path; from lib.release import release_name; print(release_name(Path.cwd()))"' \
        release "/var/www/lux/$1"
}
[ "$(release "$before")" != "$(release "$after")" ] || fail "the upgrade is the same release to LUX"
start_web && stop_web
inside /usr/local/bin/lux roll-back
[ "$(inside readlink /var/www/lux/current)" = "$before" ] || fail "it did not roll back"
echo "raise RuntimeError" >"$root/srv/lux/migrations/env.py"
inside /usr/local/bin/lux upgrade /srv/lux 2>"$root/tmp/said" && fail "a broken upgrade was taken"
tail -n 1 "$root/tmp/said"
grep -q "LUX is as it was" "$root/tmp/said" || fail "a broken upgrade was not undone"
[ "$(inside readlink /var/www/lux/current)" = "$before" ] || fail "a broken upgrade stayed"

inside nginx -s stop
inside service postgresql stop >/dev/null
echo
echo "deploy/ works."
