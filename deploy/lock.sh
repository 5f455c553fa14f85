#!/bin/sh
# Pins every requirement with its hashes, for every Python that LUX runs on; names no package index.
set -eu
venv=.cache/lock
if [ ! -x "$venv/bin/uv" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check uv
fi

pin() {
    source=$1
    shift
    target=${source%.txt}.lock
    fresh=.cache/$target
    cp "$target" "$fresh" 2>/dev/null || :
    "$venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links "$@" --output-file "$fresh" "$source" >/dev/null
    {
        echo "# Made by \`make lock\` from $source; do not edit."
        grep -v '^# Made by' "$fresh"
    } >"$target.new"
    mv "$target.new" "$target"
    rm -f "$fresh"
}

pin requirements.txt
pin requirements-dev.txt -c requirements.lock
