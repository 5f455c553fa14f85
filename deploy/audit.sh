#!/bin/sh
# Asks the advisory service (PyPI's own) about every pinned requirement; counts what was looked at, for without an
# answer pip-audit would say that nothing was found. Usage: sh deploy/audit.sh
set -eu
venv=.cache/audit
report=.cache/audit.json
mkdir -p .cache
if [ ! -x "$venv/bin/pip-audit" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check pip-audit
fi
status=0
for lock in requirements.lock requirements-dev.lock; do
    pinned=$(grep -c '^[a-zA-Z0-9].*==' "$lock")
    "$venv/bin/pip-audit" --requirement "$lock" --disable-pip --progress-spinner off --format json --output "$report" \
        2>"$report.told" || :
    "$venv/bin/python" - "$report" "$lock" "$pinned" <<'PYTHON' || status=1
import json
import pathlib
import sys

report, lock, pinned = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rows = json.loads(report.read_text())["dependencies"] if report.exists() else []
report.unlink(missing_ok=True)
looked_at = [row for row in rows if "skip_reason" not in row]
holes = [(row["name"], row["version"], hole["id"], hole["fix_versions"]) for row in looked_at for hole in row["vulns"]]
print(f"{lock}: {len(looked_at)} of {pinned} looked at, {len(holes)} known holes.")
for name, version, hole, fixed in holes:
    print(f"  {name} {version}: {hole}, mended in {', '.join(fixed) or 'no version yet'}")
if not looked_at:
    print("  The advisory service does not answer here: this says nothing about the requirements.")
sys.exit(1 if holes or not looked_at else 0)
PYTHON
done
rm -f "$report.told"
exit $status
