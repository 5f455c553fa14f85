#!/bin/sh
# Puts a new LUX in place of the running one: backup, new release beside the old, migrate, restart, look, or roll back.
#
#   sh deploy/upgrade.sh FOLDER       the folder that holds the new LUX (where this file is)
#   sh deploy/upgrade.sh --roll-back  back to the release before
#   sh deploy/upgrade.sh --first FOLDER   what install.sh calls: does nothing when this very LUX is in place
#
# While the web process restarts, systemd holds its socket: visitors wait a few seconds, none is refused.
set -eu
umask 022
home=/var/www/lux
here=$(cd "$(dirname "$0")" && pwd)
READY_SECONDS=${READY_SECONDS:-90}

fail() {
    echo "$1" >&2
    exit 1
}
say() {
    echo "· $1"
}
has_systemd() {
    [ -d /run/systemd/system ]
}
[ "$(id -u)" = 0 ] || fail "Upgrading needs root: sudo lux upgrade FOLDER"

# Runs a command of a release as lux, with the settings in its environment.
in_release() {
    release=$1 && shift
    (
        . "$here/settings.sh"
        load_settings /etc/lux/lux.env
        cd "$release"
        exec setpriv --reuid lux --regid lux --init-groups "$@"
    )
}
revision() {
    in_release "$1" .venv/bin/python -m flask --app app db current 2>/dev/null | sed -n 's/^\([0-9a-z_]*\).*/\1/p' | head -n 1
}
# What a folder holds, in one word: the same LUX has the same.
fingerprint() {
    (cd "$1" && list_files . | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-16)
}
list_files() {
    find "$1" \( -name .git -o -name .venv -o -name var -o -name node_modules -o -name __pycache__ -o -name .cache \
        -o -name .mypy_cache -o -name .ruff_cache -o -name .hypothesis -o -name .env \) -prune -o -type f ! -name '*.pyc' \
        ! -name .fingerprint -print0
}
switch_to() {
    ln -sfn "releases/$(basename "$1")" "$home/.current.new"
    mv -T "$home/.current.new" "$home/current"
}
# The units of this release; the ones of the one before come back with it.
place_units() {
    for unit in "$1"/deploy/systemd/*; do
        cmp -s "$unit" "/etc/systemd/system/$(basename "$unit")" || install -m 0644 "$unit" /etc/systemd/system/
    done
}
restart() {
    if ! has_systemd; then
        say "systemd is not running here: nothing was restarted"
        return 0
    fi
    systemctl daemon-reload
    systemctl reset-failed lux.service lux-worker.service 2>/dev/null || true
    systemctl restart lux.service lux-worker.service || return 1
    waited=0
    until curl -fsS -o /dev/null --max-time 5 http://127.0.0.1:5000/readyz 2>/dev/null; do
        waited=$((waited + 2))
        [ "$waited" -lt "$READY_SECONDS" ] || return 1
        sleep 2
    done
    systemctl is-active --quiet lux-worker.service
}
# The schema goes back by the new release's own migrations, then the code; rows that the new one wrote stay.
roll_back() {
    from=$1 to=$2 old_revision=$3
    # The old release knows the schema that it had, and no newer one.
    if [ -n "$old_revision" ] && [ "$(revision "$to")" != "$old_revision" ]; then
        in_release "$from" .venv/bin/python -m flask --app app db downgrade "$old_revision" ||
            fail "The schema could not go back. Stop here and restore: sudo lux restore $(newest_backup)"
    fi
    switch_to "$to"
    place_units "$to"
    restart || fail "The release before does not come up either: journalctl -u lux -n 50 says why."
}
newest_backup() {
    find /var/backups/lux -name 'lux-*.tar' | sort | tail -n 1
}

is_first=
case "${1:-}" in
--roll-back)
    now=$(readlink -f $home/current)
    before=$(cat "$now/.before" 2>/dev/null) || fail "There is no release before $(basename "$now")."
    [ -d "$home/releases/$before" ] || fail "The release $before is gone."
    roll_back "$now" "$home/releases/$before" "$(cat "$now/.revision-before" 2>/dev/null || true)"
    echo "LUX is back at $before."
    exit 0
    ;;
--first) is_first=yes && shift ;;
esac
source=$(cd "${1:?which folder has the new LUX?}" && pwd)
if [ ! -f "$source/app.py" ] || [ ! -f "$source/requirements.lock" ]; then fail "$source holds no LUX."; fi

print=$(fingerprint "$source")
old=$(readlink -f $home/current 2>/dev/null || true)
[ -d "$old" ] || old=
if [ -n "$old" ] && [ "$(cat "$old/.fingerprint" 2>/dev/null)" = "$print" ]; then
    say "this LUX is in place already"
    exit 0
fi
[ -z "$is_first" ] || [ -z "$old" ] || say "another LUX is in place: upgrading it"

new=$home/releases/$(date -u +%Y%m%dT%H%M%SZ)-$print
say "making $new"
rm -rf "$new"
mkdir -p "$new"
(cd "$source" && list_files . | tar --null --files-from=- -cf -) | tar -C "$new" --no-same-owner -xf -
# The environment's scripts name its folder, so it is made where it stays.
(cd "$new" && LUX_ENVIRONMENT_LOCKED=1 VENV=.venv sh deploy/environment.sh requirements.lock)
"$new/.venv/bin/python" -m compileall -q -x '/(\.venv|tests|benchmarks)/' "$new" || true
chown -R root:root "$new"
chmod -R go-w,a+rX "$new"
echo "$print" >"$new/.fingerprint"

old_revision=
if [ -n "$old" ]; then
    old_revision=$(revision "$old")
    say "backed up to $(in_release "$old" sh deploy/backup.sh)"
    basename "$old" >"$new/.before"
    echo "$old_revision" >"$new/.revision-before"
fi
say "migrating"
in_release "$new" .venv/bin/python -m flask --app app db upgrade >/dev/null || {
    [ -z "$old" ] || roll_back "$new" "$old" "$old_revision"
    rm -rf "$new"
    fail "The migration failed; the lines above say why. LUX is as it was."
}
switch_to "$new"
place_units "$new"
if [ -n "$old" ] && ! restart; then
    ! has_systemd || journalctl -u lux.service -u lux-worker.service -n 20 --no-pager >&2 || true
    roll_back "$new" "$old" "$old_revision"
    rm -rf "$new"
    fail "The new LUX did not come up; the lines above say why. The one before runs again."
fi
# The running release, the one before it and one more stay.
find $home/releases -mindepth 1 -maxdepth 1 -type d | sort -r | tail -n +4 | while read -r outdated; do
    [ "$outdated" = "$(readlink -f $home/current)" ] || [ "$outdated" = "$old" ] || rm -rf "$outdated"
done
echo "LUX is at $(basename "$new")."
