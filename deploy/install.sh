#!/bin/sh
# Installs LUX on Debian 12 or newer and Ubuntu 24.04 or newer; run it again after any change, it repeats nothing.
#
#   sh deploy/install.sh --domain lux.example --email you@lux.example
#
# --domain NAME       the name under which LUX is seen; required
# --email ADDRESS     where the certificate authority writes to; required unless a certificate is given
# --certificate FILE --key FILE   a certificate of your own in place of certbot's
# --self-signed       a certificate that no browser trusts: for trying out
set -eu
umask 022

fail() {
    echo "$1" >&2
    exit 1
}
say() {
    echo "· $1"
}

domain='' email='' certificate='' key='' self_signed=''
here=$(cd "$(dirname "$0")/.." && pwd)
while [ "$#" -gt 0 ]; do
    case $1 in
    --domain) domain=${2:?} && shift 2 ;;
    --email) email=${2:?} && shift 2 ;;
    --certificate) certificate=${2:?} && shift 2 ;;
    --key) key=${2:?} && shift 2 ;;
    --self-signed) self_signed=yes && shift ;;
    *) fail "install.sh knows no $1; its first lines say what it knows." ;;
    esac
done
echo "$domain" | grep -Eq '^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$' ||
    fail "--domain must be the name under which LUX is seen, such as lux.example."
[ -n "$certificate$self_signed$email" ] || fail "--email is needed for the certificate (or --certificate and --key)."
if [ -n "$certificate$key" ]; then
    if [ ! -r "$certificate" ] || [ ! -r "$key" ]; then fail "--certificate and --key must both name readable files."; fi
fi
[ "$(id -u)" = 0 ] || fail "Installing needs root: sudo sh deploy/install.sh …"
. /etc/os-release
case "$ID ${ID_LIKE:-}" in
*debian* | *ubuntu*) ;;
*) fail "This installer knows Debian and Ubuntu, and this is ${PRETTY_NAME:-something else}." ;;
esac

home=/var/www/lux data=/var/lib/lux settings=/etc/lux/lux.env
has_systemd() {
    [ -d /run/systemd/system ]
}

# What this script puts somewhere: only when it is new or different, so that a second run changes nothing.
changed=''
put() {
    mode=$1 source=$2 target=$3
    if ! cmp -s "$source" "$target"; then
        install -D -m "$mode" "$source" "$target.new"
        mv "$target.new" "$target"
        changed="$changed $target"
        say "wrote $target"
    fi
    chmod "$mode" "$target"
}
render() {
    sed -e "s|@DOMAIN@|$domain|g" -e "s|@CERTIFICATE@|$certificate|g" -e "s|@KEY@|$key|g" \
        -e "s|@SNIPPET@|/etc/nginx/snippets/lux-proxy.conf|g" "$1"
}

packages() {
    missing=
    for name in python3 python3-venv postgresql nginx logrotate sudo openssl ca-certificates curl; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing="$missing $name"
    done
    [ -n "$certificate$self_signed" ] || command -v certbot >/dev/null 2>&1 || missing="$missing certbot"
    [ -z "$missing" ] && return
    say "installing$missing"
    apt-get update -q >/dev/null
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
}

account() {
    getent group lux >/dev/null || groupadd --system lux
    id lux >/dev/null 2>&1 || {
        useradd --system --gid lux --home-dir "$data" --no-create-home --shell /usr/sbin/nologin lux
        say "made the user lux"
    }
    # So that LUX can read the logs of nginx and systemd.
    for group in adm systemd-journal; do
        getent group "$group" >/dev/null || continue
        id -nG lux | tr ' ' '\n' | grep -qx "$group" || usermod -aG "$group" lux
    done
}

folders() {
    install -d -m 0755 -o root -g root $home $home/releases /var/www/letsencrypt
    install -d -m 0750 -o lux -g lux $data
    install -d -m 0750 -o lux -g adm $home/logs /var/log/gunicorn
    install -d -m 0700 -o lux -g lux /var/backups/lux
    install -d -m 0755 -o root -g root /etc/lux
}

# PostgreSQL knows the user lux by its system account: there is no password to lose.
database() {
    if ! runuser -u postgres -- psql -qAtc 'SELECT 1' >/dev/null 2>&1; then
        if has_systemd; then systemctl start postgresql.service; else service postgresql start >/dev/null; fi
    fi
    tries=0
    until runuser -u postgres -- psql -qAtc 'SELECT 1' >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 30 ] || fail "PostgreSQL does not answer: systemctl status postgresql says why."
        sleep 1
    done
    as_postgres() { runuser -u postgres -- psql -qAt -v ON_ERROR_STOP=1 -c "$1"; }
    [ "$(as_postgres "SELECT 1 FROM pg_roles WHERE rolname = 'lux'")" = 1 ] || {
        as_postgres "CREATE ROLE lux LOGIN"
        say "made the database role lux"
    }
    [ "$(as_postgres "SELECT 1 FROM pg_database WHERE datname = 'lux'")" = 1 ] || {
        as_postgres "CREATE DATABASE lux OWNER lux ENCODING 'UTF8' TEMPLATE template0"
        say "made the database lux"
    }
}

# Each setting is written once; what stands in the file already is the operator's and stays.
settings_file() {
    [ -e "$settings" ] || {
        install -m 0600 -o root -g root /dev/null "$settings"
        echo "# LUX's settings; README.md says what each means. Read by systemd: NAME=value, one a line." >"$settings"
        say "made $settings"
    }
    chown root:root "$settings"
    chmod 0600 "$settings"
    setting() { grep -q "^$1=" "$settings" || echo "$1=$2" >>"$settings"; }
    setting LUX_ENV production
    setting LUX_PUBLIC_URL "https://$domain"
    setting LUX_DATA_DIR "$data"
    setting DATABASE_URL "postgresql://lux@/lux?host=/var/run/postgresql"
    setting SESSION_SECRET "$(openssl rand -hex 32)"
    setting HOST 127.0.0.1
    setting PORT 5000
    setting PROXY_HOPS 1
    setting WEB_WORKERS "$(($(nproc) + 1))"
    setting NGINX_ERROR_LOG /var/log/nginx/error.log
    setting GUNICORN_ERROR_LOG /var/log/gunicorn/gunicorn.err
    setting SYSTEMD_UNIT lux.service
    setting APP_LOG $home/logs/app.log
    grep -q '^#* *OPENAI_API_KEY=' "$settings" || cat >>"$settings" <<'END'
# A key that is exported in a shell does not reach LUX: it must stand here. Then: systemctl restart lux lux-worker
#OPENAI_API_KEY=
#SMTP_URL=
#MAIL_FROM="Anna <anna@lux.example>"
#POSTAL_ADDRESS=
END
}

machinery() {
    put 0755 "$here/deploy/lux-service" /usr/local/sbin/lux-service
    put 0755 "$here/deploy/lux-command" /usr/local/bin/lux
    visudo -cqf "$here/deploy/sudoers" || fail "deploy/sudoers is broken; nothing was changed."
    put 0440 "$here/deploy/sudoers" /etc/sudoers.d/lux
    put 0644 "$here/deploy/logrotate.conf" /etc/logrotate.d/lux
    for unit in "$here"/deploy/systemd/*; do
        put 0644 "$unit" "/etc/systemd/system/$(basename "$unit")"
    done
    put 0755 "$here/deploy/certificate-renewed" /etc/letsencrypt/renewal-hooks/deploy/lux
}

site() {
    rendered=$(mktemp)
    put 0644 "$here/deploy/nginx/lux-proxy.conf" /etc/nginx/snippets/lux-proxy.conf
    rm -f /etc/nginx/sites-enabled/default
    if [ -n "$self_signed" ]; then
        certificate=/etc/lux/certificate.pem key=/etc/lux/certificate.key
        [ -e "$key" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$domain" \
            -addext "subjectAltName=DNS:$domain" -keyout "$key" -out "$certificate" 2>/dev/null
    elif [ -z "$certificate" ]; then
        certificate=/etc/letsencrypt/live/$domain/fullchain.pem key=/etc/letsencrypt/live/$domain/privkey.pem
        if [ ! -e "$certificate" ]; then
            render "$here/deploy/nginx/lux-first.conf" >"$rendered"
            put 0644 "$rendered" /etc/nginx/sites-available/lux
            link_site
            web_server
            certbot certonly --non-interactive --agree-tos --email "$email" --webroot -w /var/www/letsencrypt \
                -d "$domain" || fail "No certificate for $domain. Does its name lead here, and is port 80 open?"
        fi
    fi
    render "$here/deploy/nginx/lux.conf" >"$rendered"
    put 0644 "$rendered" /etc/nginx/sites-available/lux
    rm -f "$rendered"
    link_site
    web_server
}

link_site() {
    [ "$(readlink /etc/nginx/sites-enabled/lux)" = ../sites-available/lux ] ||
        ln -sfn ../sites-available/lux /etc/nginx/sites-enabled/lux
}

web_server() {
    nginx -t -q || fail "nginx does not accept its configuration; the lines above say where."
    has_systemd || return 0
    systemctl enable --quiet nginx.service
    systemctl reload-or-restart nginx.service
}

services() {
    if ! has_systemd; then
        say "systemd is not running here: the units are in place, and nothing was started"
        return
    fi
    systemctl daemon-reload
    systemctl enable --quiet --now lux.socket lux-helper.socket lux-backup.timer
    systemctl enable --quiet lux.service lux-worker.service
    systemctl start lux.service lux-worker.service
}

packages
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "LUX needs Python 3.11 or newer, and this system has $(python3 --version)."
account
folders
database
settings_file
machinery
site
sh "$here/deploy/upgrade.sh" --first "$here"
services
echo "LUX is installed: https://$domain"
[ ! -e $home/current ] || /usr/local/bin/lux first-start || true
