#!/bin/sh
# Brings the programs that tests and benchmarks need beside Python, on Debian and Ubuntu by itself.
# Usage: sh tests/prepare.sh chromium node gates oidc postfix nginx journal dovecot
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "$1" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install() {
    command -v apt-get >/dev/null 2>&1 || fail "This needs $2, and this machine has no apt to install it with: install it and try again."
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || fail "This needs $2: apt install $1"
    echo "Installing $1."
    log=$(mktemp)
    if ! { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $1; } >"$log" 2>&1 </dev/null; then
        tail -n 5 "$log" >&2
        fail "$1 could not be installed; the lines above say why."
    fi
    rm -f "$log"
}

has_package() {
    apt-cache show "$1" >/dev/null 2>&1
}

npm_folder() {
    cmp -s "$1/package-lock.json" "$1/node_modules/.installed.json" && return
    echo "Installing $2 of $1 (only when its lock has changed)."
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null) ||
        fail "What $1 needs could not be installed; the lines above say why."
    cp "$1/package-lock.json" "$1/node_modules/.installed.json"
}

for part in "$@"; do
    case $part in
    chromium)
        command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || install chromium Chromium
        # Lighter for tests; where the system has no such package, the browser itself serves.
        command -v chromium-headless-shell >/dev/null 2>&1 || ! has_package chromium-headless-shell ||
            install chromium-headless-shell "Chromium's headless shell"
        ;;
    node)
        command -v npm >/dev/null 2>&1 || install "nodejs npm" "Node and npm"
        ;;
    gates)
        npm_folder tests/gates "the page checkers"
        ;;
    oidc)
        npm_folder tests/oidc_judge "the OpenID provider"
        ;;
    postfix)
        command -v smtp-source >/dev/null 2>&1 || [ -x /usr/sbin/smtp-source ] || install postfix "smtp-source of postfix"
        ;;
    journal)
        [ -x /usr/lib/systemd/systemd-journal-remote ] || install systemd-journal-remote "systemd's journal programs"
        ;;
    dovecot)
        command -v dovecot >/dev/null 2>&1 || [ -x /usr/sbin/dovecot ] || install dovecot-imapd dovecot
        ;;
    nginx)
        command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] || install nginx nginx
        ;;
    *)
        fail "tests/prepare.sh knows no $part."
        ;;
    esac
done
