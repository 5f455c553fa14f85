"""From the tiles of Operations and Sales to things in use, in Chromium: merged and undone, scored, done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from accounts.sessions import start_session
from extensions import db
from tests.agents.businesses import seed_shop
from tests.makers import make_contact, make_user
from tests.servers import Lux, running_lux


@pytest.fixture(scope="module")
def lux(database_url: str) -> Iterator[Lux]:
    """A LUX with a worker, a shop's data, and somebody who is in it twice, once with a no."""
    with running_lux(database_url, has_worker=True) as running:
        with running.make_app().app_context():
            seed_shop()
            make_contact(email="ann@lumen-twice.example", name="Ann Lee", phone="+1 202 555 0142")
            make_contact(
                email="ann+tea@lumen-twice.example",
                name="Ann Lee",
                phone="+1 202 555 0142",
                attributes={"city": "Paris"},
                subscription="unsubscribed",
            )
            db.session.remove()
            db.engine.dispose()
        yield running


@pytest.fixture
def page(lux: Lux, open_browser: Callable[..., Page]) -> Page:
    """The agents' tiles, for an owner."""
    app = lux.make_app()
    with app.app_context():
        token = start_session(make_user(role="owner"), peer="127.0.0.1", user_agent="tests")
        value = app.session_interface.get_signing_serializer(app).dumps({"token": token})  # type: ignore[attr-defined]  # Flask's own cookie
        db.session.remove()
        db.engine.dispose()
    opened = open_browser(lux.url)
    opened.context.add_cookies([{"name": "lux", "value": str(value), "url": lux.url}])
    return opened


def run_task(page: Page, agent: str, task: str) -> None:
    """From the tile to a finished run by the playbook."""
    page.goto("/agents/")
    page.get_by_role("link", name=agent).click()
    page.get_by_role("navigation", name="Tasks of this agent").get_by_role("link", name=task, exact=True).click()
    page.get_by_role("button", name="Generate from the playbook").click()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()


def test_operations_finds_who_is_in_here_twice_and_they_are_merged_and_parted_again(lux: Lux, page: Page) -> None:
    before = lux.count("contacts")
    run_task(page, "Operations & Integration", "Duplicates")
    expect(page.get_by_role("table", name="Preview of merges")).to_contain_text("the same phone number and name")
    page.get_by_role("button", name="Merge them").first.click()
    page.wait_for_url(re.compile(r"/contacts/\d+$"))
    expect(page.get_by_role("main")).to_contain_text("Made of 2 contacts")
    assert lux.count("contacts") == before - 1
    page.get_by_role("link", name="Merges, with undo").click()
    page.get_by_role("button", name=re.compile("^Undo the merge")).click()
    expect(page.get_by_role("heading", name="One person or two?")).to_be_visible()
    assert lux.count("contacts") == before
    assert lux.count("merged_addresses") == 0


def test_a_merge_is_looked_at_first_and_a_no_holds_for_both(lux: Lux, page: Page) -> None:
    page.goto("/contacts/duplicates/")
    page.get_by_role("button", name=re.compile("^Look (for duplicates|again)$")).click()
    row = page.locator("#pairs tbody tr", has_text="ann+tea@lumen-twice.example")
    row.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("main")).to_contain_text("will not be written to any more")
    page.get_by_role("link", name="Keep the other one").click()
    page.get_by_role("link", name="Keep the other one").click()
    page.get_by_role("button", name="Merge them").click()
    page.wait_for_url(re.compile(r"/contacts/\d+$"))
    assert lux.count("contacts", "email LIKE '%lumen-twice.example' AND subscription = 'unsubscribed'") == 1
    assert lux.count("contacts", "email LIKE '%lumen-twice.example'") == 1


def test_sales_scores_contacts_and_a_segment_asks_for_them(lux: Lux, page: Page) -> None:
    run_task(page, "Sales Enablement", "Lead scores")
    page.get_by_role("button", name="Keep these scores").click()
    page.wait_for_url("**/contacts/?sort=score")
    assert lux.count("contact_scores") == lux.count("contacts")
    page.locator("#contacts tbody th a").first.click()
    expect(page.get_by_role("heading", name="Lead score")).to_be_visible()
    page.go_back()
    run_task(page, "Sales Enablement", "Lead scores")
    page.get_by_role("button", name="Save as segment").click()
    page.wait_for_url("**/segments/*")
    expect(page.get_by_role("main")).to_contain_text("whose lead score is at least 35")
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"[1-9]\d* contacts"))


def test_operations_finds_what_is_silent_and_it_becomes_tasks(lux: Lux, page: Page) -> None:
    run_task(page, "Operations & Integration", "Integration health")
    expect(page.get_by_role("main")).to_contain_text("Website form has gone silent")
    before = lux.count("person_tasks")
    page.get_by_role("button", name="Send for approval").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Add 2 tasks")
    assert lux.count("person_tasks") == before, "nothing is done before somebody decides"
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("**/tasks/")
    page.get_by_role("link", name="Website form has gone silent", exact=True).click()
    expect(page.get_by_label("More about it")).to_have_value(re.compile("if it is not used any more, revoke it"))
    assert lux.count("person_tasks") == before + 2


def test_tasks_of_an_agent_are_ticked_off(lux: Lux, page: Page) -> None:
    run_task(page, "Sales Enablement", "Next best actions")
    page.get_by_role("button", name="Add these tasks").click()
    page.wait_for_url("**/tasks/**")
    added = lux.count("person_tasks", "state = 'open' AND contact_id IS NOT NULL")
    assert added > 0
    page.get_by_role("button", name=re.compile("^Done: ")).first.click()
    page.get_by_role("navigation", name="Tasks", exact=True).get_by_role("link", name="Done").click()
    page.get_by_role("button", name=re.compile("^Open again: ")).first.click()
    expect(page.get_by_role("status").last).to_contain_text("open again")
    assert lux.count("person_tasks", "state = 'open' AND contact_id IS NOT NULL") == added
