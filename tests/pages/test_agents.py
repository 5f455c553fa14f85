"""The agents' pages: tiles, workspaces, a run from brief to campaign, in the client and in Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from accounts.sessions import start_session
from agents import AGENTS, get_agent
from agents.runner import carry_out_run
from agents.runs import start_run, stop_run
from agents.tasks.campaign.brief import CampaignBrief
from campaigns.brand import change_brand
from extensions import db
from models import AgentRun, AgentRunVersion, AgentSchedule, Campaign
from tests.agents.conftest import BRAND
from tests.fakes.openai_server import OpenAIServer
from tests.makers import PASSWORD, make_user
from tests.servers import Lux, wait_until

SignIn = Callable[..., FlaskClient]
BRIEF = {"kind": "offer", "goal": "Sell the first flush to our readers", "offer": "The first flush is here", "link": ""}
DESK = "/agents/email_crm"


def soup(answer: Any) -> BeautifulSoup:
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def start(client: FlaskClient, **changes: str) -> int:
    answer = client.post(f"{DESK}/runs", data={**BRIEF, **changes})
    assert answer.status_code == 303
    found = re.search(r"/runs/(\d+)", answer.headers["Location"])
    assert found
    return int(found[1])


def finish(client: FlaskClient, **changes: str) -> int:
    run_id = start(client, **changes)
    carry_out_run(run_id)
    db.session.rollback()
    return run_id


def test_the_tiles_lead_to_eleven_workspaces(sign_in: SignIn) -> None:
    client = sign_in("operator")
    tiles = soup(client.get("/agents/"))
    links = {str(link["href"]) for link in tiles.select(".tile a")}
    for agent in AGENTS:
        assert f"/agents/{agent.key}" in links
        page = soup(client.get(f"/agents/{agent.key}"))
        assert page.h1 is not None
        assert page.h1.get_text(strip=True) == agent.label
        tabs = {link.get_text(" ", strip=True) for link in page.select("a")}
        assert {task.label for task in agent.tasks} <= tabs


def test_faults_of_the_server_are_for_operators(app: Flask, sign_in: SignIn) -> None:
    desk = "/agents/app_intelligence"
    operator, marketer = sign_in("operator"), sign_in("marketer")
    answer = operator.post(f"{desk}/runs", data={"task": "incidents"})
    run_path = answer.headers["Location"].split("#")[0]
    carry_out_run(int(run_path.rsplit("/", 1)[1]))
    for path in (desk, run_path, f"{run_path}/events", f"{run_path}/document"):
        assert operator.get(path).status_code == 200
        assert marketer.get(path).status_code == 403
    for path in (f"{desk}/runs", f"{run_path}/propose", f"{run_path}/schedule", f"{run_path}/again"):
        assert marketer.post(path, data={"task": "incidents"}).status_code == 403


def test_a_task_that_is_not_there_is_not_found(sign_in: SignIn) -> None:
    assert sign_in("owner").post("/agents/analytics/runs", data={**BRIEF, "task": "mind_reading"}).status_code == 404


def test_a_viewer_looks_and_cannot_start(sign_in: SignIn, count_rows: Callable[[str], int]) -> None:
    client = sign_in("viewer")
    assert "Generating needs the role marketer" in client.get(DESK).get_data(as_text=True)
    assert client.post(f"{DESK}/runs", data=BRIEF).status_code == 403
    assert count_rows("agent_runs") == 0


def test_an_example_fills_the_form(sign_in: SignIn) -> None:
    page = soup(sign_in("marketer").get(f"{DESK}?example=2"))
    goal = page.select_one("#field-goal")
    assert goal is not None
    assert "not opened anything" in goal.get_text()


def test_a_brief_with_mistakes_comes_back_with_its_text(sign_in: SignIn, count_rows: Callable[[str], int]) -> None:
    wrong = {"goal": "short", "link": "javascript:alert(1)", "kind": "spam", "offer": "<b>kept</b>"}
    answer = sign_in("marketer").post(f"{DESK}/runs", data=wrong)
    page = soup(answer)
    assert answer.status_code == 422
    assert {str(link["href"]) for link in page.select(".error-summary a")} == {
        "#field-goal",
        "#field-link",
        "#field-kind",
    }
    offer = page.select_one("#field-offer")
    assert offer is not None
    assert offer.get_text(strip=True) == "<b>kept</b>"
    assert count_rows("agent_runs") == 0


def test_without_javascript_it_works_by_reload(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    run_id = start(client)
    waiting = client.get(f"{DESK}/runs/{run_id}").get_data(as_text=True)
    assert "Reload to see how far it is" in waiting
    carry_out_run(run_id)
    page = client.get(f"{DESK}/runs/{run_id}").get_data(as_text=True)
    assert "Drafted from a playbook" in page
    assert "Turn into campaign" in page
    assert "Data used" in page


def test_a_draft_is_edited_compared_and_restored(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    run_id = finish(client)
    saved = client.post(f"{DESK}/runs/{run_id}/draft", data={"name": "My own name", "chosen_subject": "2"})
    assert saved.status_code == 303
    assert "My own name" in soup(client.get(f"{DESK}/runs/{run_id}?view=diff")).select_one(".diff").get_text()  # type: ignore[union-attr]  # it is there
    assert client.post(f"{DESK}/runs/{run_id}/versions/1/restore").status_code == 303
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(AgentRunVersion)) == 3
    assert "My own name" not in soup(client.get(f"{DESK}/runs/{run_id}")).select_one(".draft").get_text()  # type: ignore[union-attr]  # it is there


def test_an_edit_with_mistakes_names_the_field(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    run_id = finish(client)
    answer = client.post(f"{DESK}/runs/{run_id}/draft", data={"subjects": "One only"})
    assert answer.status_code == 422
    assert soup(answer).select_one('.error-summary a[href="#field-subjects"]')
    autosaved = client.post(f"{DESK}/runs/{run_id}/draft/autosave", data={"subjects": "One only"})
    assert autosaved.status_code == 422
    assert autosaved.get_json()["message"]


def test_the_preview_runs_nothing(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    run_id = finish(client, offer="<script>alert(1)</script> is our offer")
    answer = client.get(f"{DESK}/runs/{run_id}/preview")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "<script>" not in answer.get_data(as_text=True)


def test_turning_it_into_a_campaign_leads_to_the_wizard(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    run_id = finish(client)
    for _ in range(2):
        answer = client.post(f"{DESK}/runs/{run_id}/accept")
        assert re.fullmatch(r"/campaigns/\d+/content", answer.headers["Location"])
    assert client.get(answer.headers["Location"]).status_code == 200
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(Campaign)) == 1


def test_another_agents_address_does_not_show_the_run(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    run_id = finish(client)
    for path in ("", "/events", "/preview"):
        assert client.get(f"/agents/analytics/runs/{run_id}{path}").status_code == 404


def test_the_stream_goes_on_after_the_last_event_that_was_seen(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    run_id = finish(client)
    whole = client.get(f"{DESK}/runs/{run_id}/events").get_data(as_text=True)
    numbers = [int(number) for number in re.findall(r"^id: (\d+)$", whole, re.M)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert whole.rstrip().endswith('data: {"state": "done"}')
    rest = client.get(f"{DESK}/runs/{run_id}/events", headers={"Last-Event-ID": "3"}).get_data(as_text=True)
    assert [int(number) for number in re.findall(r"^id: (\d+)$", rest, re.M)] == numbers[3:]


def test_the_audience_count_is_shown_live(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    assert "choose one before sending" in client.get(f"{DESK}/audience?segment_id=99999").get_data(as_text=True)
    assert client.get(f"{DESK}/audience?segment_id=x").status_code == 200


def test_a_segment_that_does_not_exist_is_no_error(app: Flask, sign_in: SignIn) -> None:
    run_id = finish(sign_in("marketer"), segment_id="424242")
    assert db.session.get_one(AgentRun, run_id).state == "done"


def test_a_hundred_readers_of_streams_leave_room_for_others(
    start_lux: Callable[..., Lux], email_brief: CampaignBrief
) -> None:
    lux = start_lux()
    with lux.make_app().app_context():
        agent = get_agent("email_crm")
        run_id = start_run(agent, agent.tasks[0], email_brief, user_id=None).id
        token = start_session(make_user(role="viewer"), peer="127.0.0.1", user_agent="tests")
        serializer = lux.make_app().session_interface.get_signing_serializer(lux.make_app())  # type: ignore[attr-defined]  # Flask's own cookie
        cookie = f"lux={serializer.dumps({'token': token})}"
        db.session.remove()
        db.engine.dispose()

    def read(_number: int) -> int:
        return lux.request("GET", f"{DESK}/runs/{run_id}/events", headers={"Cookie": cookie})[0]

    with ThreadPoolExecutor(100) as pool:
        answers = [pool.submit(read, number) for number in range(100)]
        assert lux.request("GET", DESK, headers={"Cookie": cookie})[0] == 200
        assert lux.request("GET", "/livez")[0] == 200
        assert not any(answer.done() for answer in answers), "all of them are held open"
        with lux.make_app().app_context():
            stop_run(run_id)
            db.session.remove()
            db.engine.dispose()
        assert {answer.result() for answer in answers} == {200}


@pytest.fixture
def email_brief() -> CampaignBrief:
    return CampaignBrief(goal="Sell the first flush to our readers")


# ── In Chromium, with gunicorn, a worker and a model server ──


@pytest.fixture
def enter(open_browser: Callable[..., Page]) -> Callable[..., Page]:
    """Opens a browser in which a marketer is signed in."""

    def entered(lux: Lux, **options: Any) -> Page:
        with lux.make_app().app_context():
            person = make_user(role="marketer")
            email = person.email
            change_brand(BRAND, actor="tests")
            db.session.remove()
            db.engine.dispose()
        page = open_browser(lux.url, **options)
        page.goto("/sign-in")
        page.fill("input[name=email]", email)
        page.fill("input[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/")
        return page

    return entered


def fill_brief(page: Page) -> None:
    page.goto(f"{DESK}?example=1")
    page.fill("#field-link", "https://lumen.example/offer")


def test_a_marketer_has_a_campaign_written_and_approves_it(
    start_lux: Callable[..., Lux], enter: Callable[..., Page]
) -> None:
    with OpenAIServer(piece_delay_seconds=0.03) as server:
        lux = start_lux(has_worker=True, OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        page = enter(lux)
        fill_brief(page)
        page.get_by_role("button", name="Generate").click()
        text = page.locator("[data-run-text]")
        expect(text).to_contain_text("Campaign: Spring")
        expect(text).to_have_attribute("aria-busy", "true")
        page.reload()
        expect(page.locator("[data-run-text]")).to_contain_text("Campaign: Spring")
        expect(page.get_by_role("button", name="Turn into campaign")).to_be_visible()
        expect(page.locator("[data-run-status]")).to_contain_text("Draft ready")
        page.get_by_role("link", name="Edit").click()
        page.fill("#field-preheader", "Picked in March, and with you before the summer begins.")
        expect(page.locator("[data-save-word]")).to_contain_text("Saved")
        page.get_by_role("button", name="Save version").click()
        page.get_by_role("link", name="Diff").click()
        expect(page.locator(".diff ins")).to_contain_text("with you before the summer")
        page.get_by_role("button", name="Send for approval").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Draft the campaign")
        page.get_by_role("button", name="Approve").click()
        page.wait_for_url("**/campaigns/*/content")
        assert lux.count("campaigns", "state = 'draft'") == 1
        assert len(server.requests) == 1


def test_a_run_can_be_left_and_stopped(start_lux: Callable[..., Lux], enter: Callable[..., Page]) -> None:
    with OpenAIServer(piece_delay_seconds=0.3) as server:
        lux = start_lux(has_worker=True, OPENAI_API_KEY=server.key, OPENAI_BASE_URL=server.url)
        page = enter(lux, width=390)
        fill_brief(page)
        page.get_by_role("button", name="Generate").click()
        expect(page.locator("[data-run-text]")).to_contain_text("Campaign: Spring")
        address = page.url
        page.goto("/agents/")
        page.goto(address)
        page.get_by_role("button", name="Stop").click()
        wait_until(lambda: lux.count("agent_runs", "state = 'stopped'") == 1, "the run to stop")
        page.goto(address)
        expect(page.locator("[data-run-text]")).to_contain_text("Campaign: Spring")
        page.get_by_role("button", name="Use the playbook").click()
        wait_until(lambda: lux.count("agent_runs", "state = 'done'") == 1, "the playbook to finish")
        page.goto(address)
        expect(page.get_by_text("Drafted from a playbook").first).to_be_visible()


def test_a_segment_is_made_of_words(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    page = soup(client.get(f"{DESK}?task=segment&example=0"))
    words = page.select_one("#field-words")
    assert words is not None
    assert "clicked in the last 60 days" in words.get_text()
    answer = client.post(f"{DESK}/runs", data={"task": "segment", "words": "Subscribed and opened in the last 30 days"})
    run_path = answer.headers["Location"].split("#")[0]
    carry_out_run(int(run_path.rsplit("/", 1)[1]))
    draft = client.get(run_path).get_data(as_text=True)
    assert "Read back" in draft
    assert "view=preview" not in draft
    assert client.get(f"{run_path}/preview").status_code == 404
    assert client.get(f"{run_path}?view=edit").status_code == 200
    assert client.post(f"{run_path}/draft", data={"name": "Engaged readers"}).status_code == 303
    assert client.get(f"{run_path}?view=diff").status_code == 200
    proposed = client.post(f"{run_path}/propose").headers["Location"]
    assert "Add the segment" in client.get(proposed).get_data(as_text=True)
    assert client.post(f"{proposed}/edit", data={"name": "Our readers"}).status_code == 303
    made = client.post(f"{proposed}/approve").headers["Location"]
    assert "Our readers" in client.get(made).get_data(as_text=True)


def test_a_document_is_downloaded_edited_and_offers_no_deed(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    answer = client.post("/agents/brand_strategy/runs", data={"task": "positioning", "against": "The supermarket"})
    run_path = answer.headers["Location"].split("#")[0]
    carry_out_run(int(run_path.rsplit("/", 1)[1]))
    page = client.get(run_path).get_data(as_text=True)
    assert "Download as a document" in page
    assert "Send for approval" not in page
    document = client.get(f"{run_path}/document")
    assert document.mimetype == "text/markdown"
    assert "## Statement" in document.get_data(as_text=True)
    assert client.post(f"{run_path}/draft", data={"statement": "We make tea for you."}).status_code == 303
    assert "We make tea for you." in client.get(f"{run_path}?view=diff").get_data(as_text=True)
    wrong = client.post(f"{run_path}/draft", data={"pillars.0.title": "x" * 200})
    assert wrong.status_code == 422
    assert soup(wrong).select_one('.error-summary a[href="#field-draft-pillars-0-title"]')
    assert "document" in client.post(f"{run_path}/propose", follow_redirects=True).get_data(as_text=True)


def test_a_brief_is_put_on_the_clock_and_taken_off_again(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    run_id = finish(client)
    assert client.post(f"{DESK}/runs/{run_id}/schedule", data={"every": "week", "hour": "99"}).status_code == 303
    assert "On the clock" not in client.get(DESK).get_data(as_text=True)
    client.post(f"{DESK}/runs/{run_id}/schedule", data={"every": "week", "hour": "8"})
    page = client.get(DESK).get_data(as_text=True)
    assert "On the clock" in page and "every week at 08:00" in page
    schedule_id = db.session.scalars(select(AgentSchedule.id)).one()
    client.post(f"{DESK}/schedules/{schedule_id}", data={"do": "pause"})
    assert "Let it go on" in client.get(DESK).get_data(as_text=True)
    assert client.post(f"/agents/analytics/schedules/{schedule_id}", data={"do": "delete"}).status_code == 404
    client.post(f"{DESK}/schedules/{schedule_id}", data={"do": "delete"})
    assert "On the clock" not in client.get(DESK).get_data(as_text=True)


def test_a_brief_runs_again_on_todays_figures(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    run_id = finish(client)
    answer = client.post(f"{DESK}/runs/{run_id}/again")
    assert f"/runs/{run_id}" not in answer.headers["Location"]


def test_words_that_are_too_few_come_back(sign_in: SignIn) -> None:
    answer = sign_in("marketer").post(f"{DESK}/runs", data={"task": "segment", "words": "x"})
    assert answer.status_code == 422
    assert soup(answer).select_one('.error-summary a[href="#field-words"]')
