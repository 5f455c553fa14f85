"""From the tile of an agent to a thing in use, in Chromium: one LUX with a shop's data for all of them.

The agents whose things have pages of their own (posts, articles, assets, plans, tasks, merges) are shown beside those;
tests/agents/test_contract.py lists where each agent is shown.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from accounts.sessions import start_session
from accounts.webhook_credentials import add_credential
from extensions import db, defer
from tests.agents.businesses import seed_shop
from tests.makers import make_user
from tests.servers import Lux, running_lux, wait_until

Open = Callable[[str, str], Page]
DEADLOCK = """
    CREATE FUNCTION meet_deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END $$;
    CREATE TRIGGER meet_deadlock BEFORE DELETE ON process_heartbeats EXECUTE FUNCTION meet_deadlock()
"""
CALM = "DROP TRIGGER meet_deadlock ON process_heartbeats; DROP FUNCTION meet_deadlock()"


@pytest.fixture(scope="module")
def lux(database_url: str) -> Iterator[Lux]:
    """A LUX with a worker and the shop's data, without a model."""
    with running_lux(database_url, has_worker=True, AUTO_REPAIR="safe") as running:
        with running.make_app().app_context():
            seed_shop()
            db.session.remove()
            db.engine.dispose()
        yield running


@pytest.fixture(scope="module")
def cookie(lux: Lux) -> str:
    """The session of an owner."""
    app = lux.make_app()
    with app.app_context():
        token = start_session(make_user(role="owner"), peer="127.0.0.1", user_agent="tests")
        value = app.session_interface.get_signing_serializer(app).dumps({"token": token})  # type: ignore[attr-defined]  # Flask's own cookie
        db.session.remove()
        db.engine.dispose()
    return str(value)


@pytest.fixture
def open_task(lux: Lux, cookie: str, open_browser: Callable[..., Page]) -> Open:
    """Goes from the tile of an agent to one of its tasks."""

    def opened(agent: str, task: str) -> Page:
        page = open_browser(lux.url)
        page.context.add_cookies([{"name": "lux", "value": cookie, "url": lux.url}])
        page.goto("/agents/")
        page.get_by_role("link", name=agent).click()
        choose(page, task)
        return page

    return opened


def choose(page: Page, task: str) -> None:
    """Opens a task of the agent by its tab."""
    page.get_by_role("navigation", name="Tasks of this agent").get_by_role("link", name=task, exact=True).click()


def generate(page: Page) -> None:
    page.get_by_role("button", name="Generate from the playbook").click()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()


def test_brand_and_strategy_gives_dates_on_the_calendar_and_a_segment_that_was_missing(
    lux: Lux, open_task: Open
) -> None:
    page = open_task("Brand & Strategy", "Quarterly plan")
    page.get_by_role("link", name="examples").or_(page.locator(".examples a")).first.click()
    generate(page)
    page.get_by_role("button", name="Add to the calendar").click()
    page.wait_for_url("**/calendar/**")
    assert lux.count("calendar_entries") > 0
    page.goto("/agents/brand_strategy")
    choose(page, "Audience map")
    generate(page)
    page.get_by_role("button", name="Save as segment").first.click()
    page.wait_for_url("**/segments/*")
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"[1-9]\d* contacts"))
    assert lux.count("segments", "made_by = 'Brand & Strategy'") == 1


def test_analytics_gives_a_campaign_a_better_hour(lux: Lux, open_task: Open) -> None:
    page = open_task("Analytics & Optimization", "What to do")
    generate(page)
    with lux.connect() as connection:
        before = connection.execute("SELECT scheduled_at FROM campaigns WHERE name = 'Autumn letter'").fetchone()
    page.get_by_role("button", name="Give it this time").first.click()
    page.wait_for_url("**/campaigns/**")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Autumn letter")
    with lux.connect() as connection:
        after = connection.execute("SELECT scheduled_at FROM campaigns WHERE name = 'Autumn letter'").fetchone()
    assert after != before


def test_sales_gives_scores_that_stay_and_tasks_that_are_ticked_off(lux: Lux, open_task: Open) -> None:
    page = open_task("Sales Enablement", "Lead scores")
    generate(page)
    page.get_by_role("button", name="Keep these scores").click()
    page.wait_for_url("**/contacts/**")
    expect(page.get_by_role("columnheader", name="Score")).to_be_visible()
    assert lux.count("contact_scores") > 0
    page.goto("/agents/sales_enablement")
    choose(page, "Next best actions")
    generate(page)
    page.get_by_role("button", name="Add these tasks").click()
    page.wait_for_url("**/tasks/**")
    before = lux.count("person_tasks", "state = 'open'")
    page.get_by_role("button", name=re.compile("^Done")).first.click()
    wait_until(lambda: lux.count("person_tasks", "state = 'open'") == before - 1, "the task to be done")


def test_email_and_crm_gives_a_segment_with_members_and_a_campaign_for_it(lux: Lux, open_task: Open) -> None:
    page = open_task("Email & CRM", "Segment from words")
    page.fill("[name=words]", "Subscribed people whose city is Paris")
    generate(page)
    page.get_by_role("button", name="Save as segment").click()
    page.wait_for_url("**/segments/*")
    name = page.get_by_role("heading", level=1).inner_text()
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"[1-9]\d* contacts"))
    page.goto("/agents/email_crm")
    page.fill("[name=goal]", "Tell people in Paris about the tasting")
    page.fill("[name=offer]", "A tasting on Saturday at 3 pm")
    page.select_option("[name=segment_id]", label=name)
    generate_campaign(page)
    expect_campaign_for(page, name)


def test_retention_gives_a_segment_of_who_is_slipping_and_a_campaign_to_win_them_back(
    lux: Lux, open_task: Open
) -> None:
    page = open_task("Customer Retention & Loyalty", "Who is slipping")
    generate(page)
    page.get_by_role("link", name="Evidence").first.click()
    expect(page.locator("#evidence-risk")).to_be_in_viewport()
    page.get_by_role("button", name="Save as segment").click()
    page.wait_for_url("**/segments/*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Slipping away")
    page.go_back()
    page.reload()
    expect(page.get_by_text("open what it has made")).to_be_visible()
    assert lux.count("segments", "name = 'Slipping away'") == 1
    choose(page, "Win-back")
    page.select_option("[name=segment_id]", label="Slipping away")
    generate_campaign(page)
    expect_campaign_for(page, "Slipping away")


def generate_campaign(page: Page) -> None:
    page.get_by_role("button", name="Generate from the playbook").click()
    page.get_by_role("button", name="Turn into campaign").click()
    page.wait_for_url("**/campaigns/*/content")


def expect_campaign_for(page: Page, segment: str) -> None:
    """The campaign stands in the wizard, with its audience counted."""
    page.goto(page.url.replace("/content", "/audience"))
    expect(page.locator("select[name=segment_id] option:checked")).to_have_text(re.compile(re.escape(segment)))
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"will receive", re.IGNORECASE))


def test_operations_replays_dead_bodies_that_become_contacts(lux: Lux, open_task: Open) -> None:
    post_with_an_unknown_key(lux)
    page = open_task("Operations & Integration", "Intake")
    generate(page)
    page.get_by_role("button", name="Replay them").first.click()
    page.wait_for_url("**/webhook-inbox/**")
    page.goto("/contacts/?q=amelie")
    expect(page.get_by_role("link", name=re.compile("amelie@example.com")).first).to_be_visible()


def post_with_an_unknown_key(lux: Lux) -> None:
    """Three people whose address stands under a key that is mapped only afterwards."""
    with lux.make_app().app_context():
        made = add_credential("Zapier", by=None)
        basic = b64encode(f"{made.username}:{made.password}".encode()).decode()
        db.session.remove()
        db.engine.dispose()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
    before = lux.count("intake_bodies", "state = 'dead'")
    for name in ("amelie", "bruno", "chloe"):
        body = json.dumps({"an_adr": f"{name}@example.com", "other": "b@example.com"}).encode()
        assert lux.request("POST", "/api/webhook/zapier-contact", body, headers)[0] == 422
    wait_until(lambda: lux.count("intake_bodies", "state = 'dead'") == before + 3, "the bodies to die")
    with lux.connect() as connection:
        connection.execute("INSERT INTO intake_mappings (key, field) VALUES ('an_adr', 'email')")


def test_the_app_agent_repairs_a_fault(lux: Lux, open_task: Open) -> None:
    with lux.connect() as connection:
        connection.execute(DEADLOCK.encode())
        fail_at_the_last_try(lux)
        connection.execute(CALM.encode())
    wait_until(lambda: lux.count("error_groups", "place = 'task forget_old_records'") == 1, "the error")
    page = open_task("APP Agent", "Diagnosis")
    generate(page)
    expect(page.get_by_role("main")).to_contain_text("deadlock")
    page.get_by_role("button", name="Repair it").first.click()
    page.wait_for_url("**/diagnostics/groups/*")
    expect(page.locator("#repair-card")).to_contain_text(re.compile("again", re.IGNORECASE))
    failed = "task_name = 'forget_old_records' AND status = 'failed'"
    assert lux.count("procrastinate_jobs", failed) == 0, "the task was put back, and the worker carried it out"


def fail_at_the_last_try(lux: Lux) -> None:
    """A task that meets a deadlock when it has been tried before."""
    with lux.make_app().app_context():
        defer(db.session, "forget_old_records")
        db.session.execute(db.text("UPDATE procrastinate_jobs SET attempts = 2 WHERE status = 'todo'"))
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    failed = "task_name = 'forget_old_records' AND status = 'failed'"
    wait_until(lambda: lux.count("procrastinate_jobs", failed) == 1, "the task to fail")
