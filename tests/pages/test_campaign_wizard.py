"""The wizard without script: each step by its address, nothing typed is lost, nothing goes out unasked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from campaigns.drafting import change_content, get_campaign, list_versions, mark_of
from extensions import db
from models import Campaign
from tests import makers
from tests.campaigns.ledger_scene import make_contacts, make_segment

STEPS = ("goal", "audience", "content", "schedule", "review")
FIELDS = {
    "subject": "Hello",
    "blocks.0.kind": "heading",
    "blocks.0.text": "Spring",
    "blocks.0.level": "2",
    "blocks.1.kind": "button",
    "blocks.1.label": "Go",
    "blocks.1.url": "https://shop.lumen.example/",
    "track_opens": "1",
    "track_clicks": "1",
}


@pytest.fixture
def marketer(sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    return sign_in("marketer")


def read(campaign_id: int) -> Campaign:
    db.session.rollback()
    return get_campaign(campaign_id)


def make_ready(people: int = 3) -> int:
    return makers.make_campaign(segment_id=make_segment(make_contacts(people)).id).id


@pytest.mark.parametrize("step", STEPS)
def test_every_step_opens_on_an_empty_and_on_a_whole_draft(marketer: FlaskClient, step: str) -> None:
    empty, whole = makers.make_campaign(content={}), make_ready()
    for campaign_id in (empty.id, whole):
        answer = marketer.get(f"/campaigns/{campaign_id}/{step}")
        assert answer.status_code == 200
        assert answer.get_data(as_text=True).count("<h1") == 1


def test_goal_and_audience_are_saved_and_lead_on(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign()
    segment = make_segment(make_contacts(2))
    answer = marketer.post(f"/campaigns/{campaign.id}/goal", data={"name": "Autumn", "goal": "Sell tea"})
    assert answer.location.endswith(f"/campaigns/{campaign.id}/audience")
    answer = marketer.post(f"/campaigns/{campaign.id}/audience", data={"segment_id": str(segment.id)})
    assert answer.location.endswith(f"/campaigns/{campaign.id}/content")
    saved = read(campaign.id)
    assert (saved.name, saved.goal, saved.segment_id) == ("Autumn", "Sell tea", segment.id)


def test_a_step_can_lead_to_any_other(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign()
    answer = marketer.post(f"/campaigns/{campaign.id}/goal", data={"name": "Autumn", "then": "review"})
    assert answer.location.endswith("/review")
    answer = marketer.post(f"/campaigns/{campaign.id}/goal", data={"name": "Autumn", "then": "//evil.example"})
    assert answer.location.endswith("/audience")


def test_a_wrong_field_keeps_everything_that_was_typed(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign()
    fields = {**FIELDS, "reply_to": "nobody", "blocks.0.text": "Words of mine", "blocks.1.url": "x" * 2500}
    answer = marketer.post(f"/campaigns/{campaign.id}/content", data=fields)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Words of mine" in page
    assert 'href="#field-reply_to"' in page or 'href="#field-blocks-1-url"' in page


def test_content_is_saved_and_a_button_of_the_editor_works_without_script(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign(content={})
    answer = marketer.post(f"/campaigns/{campaign.id}/content", data={**FIELDS, "do": "down:blocks.0"})
    assert answer.location.endswith("#block-blocks-1")
    assert [block["kind"] for block in read(campaign.id).content["blocks"]] == ["button", "heading"]


def test_an_autosave_answers_with_the_mark_that_the_next_one_begins_with(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign(content={})
    first = marketer.post(f"/campaigns/{campaign.id}/content/autosave", data=FIELDS)
    assert re.fullmatch(r"\d\d:\d\d", first.get_json()["saved_at"])
    assert first.get_json()["based_on"] == mark_of(read(campaign.id).content)


def test_an_autosave_over_somebody_elses_change_is_refused_and_loses_nothing(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign(content={})
    seen = mark_of(campaign.content)
    change_content(campaign.id, {"subject": "Of Bo"}, made_by="Bo")
    answer = marketer.post(f"/campaigns/{campaign.id}/content/autosave", data={**FIELDS, "based_on": seen})
    assert answer.status_code == 409
    assert "Bo changed this draft" in answer.get_json()["message"]
    page = marketer.post(f"/campaigns/{campaign.id}/content", data={**FIELDS, "based_on": seen})
    assert page.status_code == 409
    assert 'value="Spring"' in page.get_data(as_text=True)
    assert mark_of(read(campaign.id).content) in page.get_data(as_text=True)
    assert read(campaign.id).content["subject"] == "Of Bo"


def test_a_schedule_in_a_gap_is_explained_beside_its_field(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign()
    fields = {"when": "at", "date": "2028-03-26", "time": "02:30", "timezone": "Europe/Berlin"}
    answer = marketer.post(f"/campaigns/{campaign.id}/schedule", data=fields)
    assert answer.status_code == 422
    assert "does not exist on 26 March 2028" in answer.get_data(as_text=True)
    assert 'value="02:30"' in answer.get_data(as_text=True)
    assert marketer.post(f"/campaigns/{campaign.id}/schedule", data={**fields, "time": "03:30"}).status_code == 303
    assert read(campaign.id).scheduled_at == datetime(2028, 3, 26, 1, 30, tzinfo=UTC)


def test_versions_are_listed_compared_and_restored(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign(content={"subject": "First"})
    change_content(campaign.id, {"subject": "Second"}, made_by="Ada")
    page = marketer.get(f"/campaigns/{campaign.id}/versions/1").get_data(as_text=True)
    assert "First" in page and "Second" in page
    assert marketer.post(f"/campaigns/{campaign.id}/versions/1/restore").status_code == 303
    assert read(campaign.id).content["subject"] == "First"
    assert len(list_versions(campaign.id)) == 3


def test_the_preview_is_isolated_and_loads_nothing_from_elsewhere_unasked(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign(
        content={"subject": "S", "blocks": [{"kind": "image", "url": "https://cdn.example/x.png", "alt": "x"}]}
    )
    answer = marketer.get(f"/campaigns/{campaign.id}/preview")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy and "allow-scripts" not in policy and "allow-same-origin" not in policy
    assert "default-src 'none'" in policy and re.search(r"img-src data: \S+/media/;", policy)
    assert (
        "img-src https:"
        in marketer.get(f"/campaigns/{campaign.id}/preview?images=1").headers["Content-Security-Policy"]
    )


def test_a_blocked_campaign_is_not_launched(marketer: FlaskClient) -> None:
    campaign = makers.make_campaign()
    answer = marketer.post(f"/campaigns/{campaign.id}/launch")
    assert answer.status_code == 422
    assert "No audience is chosen" in answer.get_data(as_text=True)
    assert read(campaign.id).state == "draft"


def test_a_launch_can_be_taken_back(marketer: FlaskClient) -> None:
    campaign_id = make_ready()
    assert marketer.post(f"/campaigns/{campaign_id}/launch").location.endswith("/results")
    assert read(campaign_id).state == "scheduled"
    assert "Take it back" in marketer.get(f"/campaigns/{campaign_id}/results").get_data(as_text=True)
    assert marketer.post(f"/campaigns/{campaign_id}/take-back").location.endswith("/review")
    assert read(campaign_id).state == "draft"


@pytest.mark.parametrize(("typed", "status"), [("", 422), ("1000", 422), ("1,001", 303), ("1 001", 303), ("yes", 422)])
def test_over_a_thousand_the_number_is_typed(marketer: FlaskClient, typed: str, status: int) -> None:
    campaign_id = make_ready(1001)
    assert marketer.post(f"/campaigns/{campaign_id}/launch", data={"confirmed": typed}).status_code == status


def test_a_thousand_or_fewer_need_no_typing(marketer: FlaskClient) -> None:
    assert marketer.post(f"/campaigns/{make_ready(1000)}/launch").status_code == 303


def test_a_test_goes_to_the_test_outbox(marketer: FlaskClient, app: Flask) -> None:
    campaign_id = make_ready()
    answer = marketer.post(f"/campaigns/{campaign_id}/test", data={"address": "me@lumen.example", "back": "review"})
    assert answer.location.endswith("/review")
    assert "on its way to me@lumen.example" in marketer.get(answer.location).get_data(as_text=True)
    assert "me@lumen.example" in marketer.get("/outbox/").get_data(as_text=True)


def test_a_test_to_nowhere_says_so(marketer: FlaskClient) -> None:
    answer = marketer.post(f"/campaigns/{make_ready()}/test", data={"address": "nowhere"}, follow_redirects=True)
    assert "The test was not sent" in answer.get_data(as_text=True)


def test_what_is_no_draft_shows_its_results_instead_of_a_step(marketer: FlaskClient) -> None:
    campaign_id = make_ready()
    marketer.post(f"/campaigns/{campaign_id}/launch")
    for step in STEPS:
        assert marketer.get(f"/campaigns/{campaign_id}/{step}").location.endswith("/results")


@pytest.mark.parametrize("path", [*STEPS, "versions", "versions/1", "preview", "results", "people", "why", "progress"])
def test_a_draft_by_guessed_id_is_nothing_for_strangers(client: FlaskClient, app: Flask, path: str) -> None:
    campaign = makers.make_campaign(name="Top secret", content={"subject": "Top secret"})
    for campaign_id in (campaign.id, campaign.id + 1):
        answer = client.get(f"/campaigns/{campaign_id}/{path}")
        assert answer.status_code == 303
        assert "Top secret" not in answer.get_data(as_text=True)


def test_a_viewer_reads_and_changes_nothing(sign_in: Callable[..., FlaskClient]) -> None:
    viewer, campaign_id = sign_in("viewer"), make_ready()
    for step in STEPS:
        page = viewer.get(f"/campaigns/{campaign_id}/{step}").get_data(as_text=True)
        assert "You are reading" in page
    for path in ("goal", "audience", "content", "content/autosave", "schedule", "launch", "test", "copy", "archive"):
        assert viewer.post(f"/campaigns/{campaign_id}/{path}", data=FIELDS).status_code == 403
    assert viewer.get("/campaigns/new").status_code == 403
    assert read(campaign_id).state == "draft"


@pytest.mark.parametrize("path", ["goal", "content", "review", "preview", "versions/1", "results", "people", "why"])
def test_an_unknown_campaign_is_not_found(marketer: FlaskClient, path: str) -> None:
    assert marketer.get(f"/campaigns/999/{path}").status_code == 404


@pytest.mark.parametrize("wrong", ["content", "content/autosave", "goal", "schedule", "audience"])
def test_no_form_brings_it_down(marketer: FlaskClient, wrong: str) -> None:
    campaign = makers.make_campaign()
    forms: list[dict[str, Any]] = [
        {},
        {"do": "explode"},
        {"blocks.0": "x", "blocks.0.kind": "text"},
        {"blocks.0.kind": "nonsense"},
        {"blocks.0.kind": "columns", "blocks.0.columns.0.heading": "x"},
        {"blocks.999999999999.kind": "text", "do": "up:blocks.0"},
        {"name": "x" * 5000, "goal": "\x00", "segment_id": "9" * 30, "when": "at", "date": "9999-99-99"},
    ]
    for form in forms:
        assert marketer.post(f"/campaigns/{campaign.id}/{wrong}", data=form).status_code in (200, 303, 404, 422)
