#!/bin/sh
# Makes the Python environment from a lock file, and only when it is missing or the lock has changed.
# Usage: VENV=.venv sh deploy/environment.sh requirements.lock
set -eu
lock=$1
venv=${VENV:-.venv}
stamp=$venv/$lock.installed

fail() {
    echo "$1" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

can_make_environments() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

choose_python() {
    found=
    for name in python3.13 python3.12 python3.11 python3 python; do
        for candidate in $(which -a "$name" 2>/dev/null); do
            is_new_enough "$candidate" || continue
            found=$candidate
            if can_make_environments "$candidate"; then
                echo "$candidate"
                return
            fi
        done
    done
    [ -z "$found" ] || fail "Python is here ($found), but its venv module is not: install it (on Debian and Ubuntu: apt install python3-venv)."
    fail "LUX needs Python 3.11 or newer, and none is on the PATH."
}

# One at a time: two starts on a fresh clone must not install into each other.
if [ -z "${LUX_ENVIRONMENT_LOCKED:-}" ] && command -v flock >/dev/null 2>&1 && [ -w . ]; then
    LUX_ENVIRONMENT_LOCKED=1 exec flock "$lock" sh "$0" "$lock"
fi

if [ -f "$stamp" ] && cmp -s "$lock" "$stamp" && is_new_enough "$venv/bin/python"; then
    exit 0
fi

if ! is_new_enough "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(choose_python)
    echo "Making $venv with $("$python" --version)."
    "$python" -m venv --clear "$venv" || fail "The environment $venv could not be made; the lines above say why."
fi

echo "Installing $lock (only when it has changed)."
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input --no-deps --require-hashes -r "$lock" ||
    fail "The requirements could not be installed; the lines above say why. Is the package index reachable?"
cp "$lock" "$stamp"
