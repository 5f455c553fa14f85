#!/bin/sh
# Puts a backup back: sh deploy/restore.sh /var/backups/lux/lux-….tar
# The database as it is now is backed up first; then everything goes in one transaction, or nothing does.
# --database-only leaves the data folder as it is.
set -eu
umask 077

fail() {
    echo "$1" >&2
    exit 1
}

is_whole=yes
[ "${1:-}" != --database-only ] || { is_whole= && shift; }
backup=${1:?which backup?}
[ -r "$backup" ] || fail "$backup cannot be read."
backup=$(cd "$(dirname "$backup")" && pwd)/$(basename "$backup")
cd "$(dirname "$0")/.."
. deploy/settings.sh
if [ "$(id -u)" = 0 ] && [ -r /etc/lux/lux.env ]; then
    load_settings /etc/lux/lux.env
    as_lux() { setpriv --reuid lux --regid lux --init-groups "$@"; }
else
    as_lux() { "$@"; }
fi
: "${DATABASE_URL:?is not set}" "${LUX_DATA_DIR:?is not set}"
url=$DATABASE_URL
services() {
    [ ! -d /run/systemd/system ] || [ "$(id -u)" != 0 ] || systemctl "$1" lux.socket lux.service lux-worker.service
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM
tar -C "$folder" -xf "$backup" SHA256SUMS database data.tar.gz || fail "$backup is no backup of LUX."
(cd "$folder" && sha256sum --quiet -c SHA256SUMS) || fail "$backup is damaged. Nothing was changed."
pg_restore --list "$folder/database" >"$folder/contents" || fail "$backup holds no readable database. Nothing was changed."

echo "What is there now goes to: $(BACKUPS_KEPT=1000 as_lux sh deploy/backup.sh)"
services stop
hide_password
{
    # A connection that lingers must not hold the tables for ever.
    echo "SET client_min_messages = warning; SET lock_timeout = '30s'; DROP SCHEMA public CASCADE;"
    grep -q ' SCHEMA - public ' "$folder/contents" || echo "CREATE SCHEMA public;"
    pg_restore --no-owner --no-privileges --file=- "$folder/database"
} | as_lux psql --quiet --no-psqlrc --single-transaction --set=ON_ERROR_STOP=1 --output=/dev/null "$DATABASE_URL" || {
    services start
    fail "The backup could not be put back; the lines above say why. The database is as it was."
}
if [ -n "$is_whole" ]; then
    as_lux tar -C "$LUX_DATA_DIR" -xzf - <"$folder/data.tar.gz"
fi
# A backup of an older LUX is brought to this one's schema.
DATABASE_URL=$url as_lux "${VENV:-.venv}/bin/python" -m flask --app app db upgrade
services start
echo "Restored from $backup."
