#!/bin/sh
# One backup: the database, checked to be readable, and the data folder beside it. Runs as the user lux with its settings.
# BACKUP_DIR (default /var/backups/lux) is where it goes, BACKUPS_KEPT (default 14) how many stay.
set -eu
umask 077
: "${DATABASE_URL:?is not set}" "${LUX_DATA_DIR:?is not set}"
. "$(dirname "$0")/settings.sh"
hide_password
folder=${BACKUP_DIR:-/var/backups/lux}
kept=${BACKUPS_KEPT:-14}
name=lux-$(date -u +%Y%m%dT%H%M%SZ)

fail() {
    echo "$1" >&2
    exit 1
}

mkdir -p "$folder"
fresh=$(mktemp -d "$folder/.fresh.XXXXXX")
trap 'rm -rf "$fresh" "$fresh.tar"' EXIT INT TERM

pg_dump --format=custom --no-owner --no-privileges --file="$fresh/database" "$DATABASE_URL" ||
    fail "The database could not be dumped; the lines above say why. Nothing was changed."
# A dump that cannot be listed cannot be restored.
pg_restore --list "$fresh/database" >/dev/null || fail "The dump cannot be read back. Nothing was changed."
# The embedded database's own files are in the dump already.
tar -C "$LUX_DATA_DIR" --exclude=./postgres --exclude=./logs -czf "$fresh/data.tar.gz" .
(cd "$fresh" && sha256sum database data.tar.gz >SHA256SUMS)
tar -C "$fresh" -cf "$fresh.tar" SHA256SUMS database data.tar.gz
# Two in one second must not become one.
while ! ln "$fresh.tar" "$folder/$name.tar" 2>/dev/null; do
    [ -e "$folder/$name.tar" ] || fail "$folder/$name.tar cannot be written."
    sleep 1
    name=lux-$(date -u +%Y%m%dT%H%M%SZ)
done
sync "$folder/$name.tar" 2>/dev/null || sync

find "$folder" -maxdepth 1 -name 'lux-????????T??????Z.tar' | sort -r | tail -n "+$((kept + 1))" | while read -r old; do
    rm -f "$old"
done
echo "$folder/$name.tar"
