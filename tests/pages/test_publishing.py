"""The pages of the Calendar area and of outgoing webhooks: forms without JavaScript, errors beside their fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from flask import Flask
from flask.testing import FlaskClient

from extensions import db
from models import Article, CalendarEntry, Campaign, OutgoingWebhook, PersonTask, Post
from publishing.articles import add_article, change_article
from publishing.deliveries import send_webhook_deliveries, start_due_posts
from publishing.posts import PostDraft, add_post
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.makers import make_asset, make_campaign, soup
from tests.publishing.publishing_scene import ARTICLE

SignIn = Callable[..., FlaskClient]
RowT = TypeVar("RowT")


@pytest.fixture
def marketer(sign_in: SignIn) -> FlaskClient:
    return sign_in("marketer")


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as one:
        yield one


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).date().isoformat()


def read(client: FlaskClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def only(table: type[RowT]) -> RowT:
    db.session.rollback()
    found: RowT = db.session.execute(db.select(table)).scalar_one()
    return found


def test_a_post_is_written_planned_and_stands_on_the_calendar(marketer: FlaskClient) -> None:
    form = {"network": "x", "text": "Tea is ready", "tags": "tea", "date": tomorrow(), "time": "09:30", "then": "plan"}
    assert marketer.post("/calendar/posts/new", data=form).status_code == 303
    post = only(Post)
    assert (post.state, post.tags, post.webhook_id) == ("planned", ["#tea"], None)
    assert "Tea is ready" in read(marketer, f"/calendar/?on={tomorrow()}")
    assert "09:30" in read(marketer, f"/calendar/?view=list&on={tomorrow()}")


def test_what_does_not_fit_is_told_beside_its_field_and_what_was_typed_stays(marketer: FlaskClient) -> None:
    form = {"network": "x", "text": "a" * 300, "date": tomorrow(), "time": "09:30", "then": "plan"}
    answer = marketer.post("/calendar/posts/new", data=form)
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert "20 characters too long for X" in page
    assert "a" * 300 in page
    assert only(Post).state == "draft", "kept, not planned"


def test_the_fragment_of_checks_counts_as_the_network_does(marketer: FlaskClient) -> None:
    form = {"network": "x", "text": "Tea", "link": "https://lumen.example/a-rather-long-address"}
    words = marketer.post("/calendar/posts/check", data=form).get_data(as_text=True)
    assert "28 of 280" in words


def test_the_limit_stands_there_without_javascript_and_the_check_counts_aloud_only_near_it(
    marketer: FlaskClient,
) -> None:
    page = soup(marketer.get("/calendar/posts/new?network=x"))
    limit = page.select_one("#field-text-limit")
    assert limit is not None and limit.get_text(strip=True) == "0 of 280 characters on X, with link and tags."
    assert "field-text-limit" in page.select("[name=text]")[0]["aria-describedby"]
    assert "LinkedIn 3,000" in page.get_text()
    for length, said in ((100, ""), (270, "10 characters left."), (300, "20 characters too many.")):
        answer = soup(marketer.post("/calendar/posts/check", data={"network": "x", "text": "a" * length}))
        assert f"{length} of 280" in answer.select("#field-text-limit")[0].get_text()
        assert answer.select("#field-text-said")[0].get_text(strip=True) == said


def test_a_picture_is_chosen_from_the_library_with_its_alt_text_and_taken_away(marketer: FlaskClient) -> None:
    asset = make_asset()
    led = marketer.post("/calendar/posts/new", data={"network": "x", "text": "Tea is ready", "then": "choose"})
    post = only(Post)
    assert post.text == "Tea is ready"
    assert led.headers["Location"].endswith(f"/campaigns/library/choose/post/{post.id}")
    (form,) = soup(marketer.get(led.headers["Location"])).select(".picture-card form")
    chosen = marketer.post(str(form["action"]), data={"asset": asset.id})
    assert chosen.headers["Location"].endswith(f"/calendar/posts/{post.id}#field-asset_id")
    assert (only(Post).asset_id, only(Post).alt) == (asset.id, asset.alt)
    page = soup(marketer.get(f"/calendar/posts/{post.id}"))
    assert page.select("[name=asset_id]")[0]["value"] == str(asset.id)
    assert str(page.select(".post-preview__picture")[0]["src"]).endswith("/thumbnail"), "light, whatever was uploaded"
    assert page.select("#post-form button")[0]["value"] == "save", "Enter in a field saves"
    taken = {"network": "x", "text": "Tea is ready", "asset_id": asset.id, "alt": asset.alt, "then": "no_picture"}
    assert marketer.post(f"/calendar/posts/{post.id}", data=taken).status_code == 303
    assert (only(Post).asset_id, only(Post).alt) == (None, "")


def test_a_picture_that_is_gone_or_a_post_that_is_out_is_left_as_it_is(marketer: FlaskClient) -> None:
    post = add_post(PostDraft("x", "Tea"), made_by="Ada", user_id=None)
    address = f"/campaigns/library/choose/post/{post.id}"
    said = marketer.post(address, data={"asset": 4242}, follow_redirects=True).get_data(as_text=True)
    assert "Choose one of the pictures" in said
    marketer.post(f"/calendar/posts/{post.id}/posted", data={"url": ""})
    said = marketer.post(address, data={"asset": make_asset().id}, follow_redirects=True).get_data(as_text=True)
    assert "on its way or published" in said
    assert only(Post).asset_id is None


def test_several_drafts_are_planned_at_the_hours_they_have_in_mind(marketer: FlaskClient) -> None:
    at = datetime.now(UTC) + timedelta(days=1)
    ids = [
        add_post(PostDraft("x", "Good", planned_at=at), made_by="Ada", user_id=None).id,
        add_post(PostDraft("x", "No hour"), made_by="Ada", user_id=None).id,
        add_post(PostDraft("instagram", "No picture", planned_at=at), made_by="Ada", user_id=None).id,
    ]
    answer = marketer.post(
        "/calendar/posts/several", data={"post_id": ids, "action": "plan"}, follow_redirects=True
    ).get_data(as_text=True)
    assert "1 post planned." in answer
    assert "has no hour yet" in answer
    assert "shows no post without a picture" in answer


def test_a_post_by_hand_is_copied_and_marked_as_posted(marketer: FlaskClient) -> None:
    post_id = add_post(PostDraft("linkedin", "Two\n\nlines"), made_by="Ada", user_id=None).id
    assert "Two\n\nlines" in read(marketer, f"/calendar/posts/{post_id}")
    bad = marketer.post(f"/calendar/posts/{post_id}/posted", data={"url": "nowhere"})
    assert bad.status_code == 422
    marketer.post(f"/calendar/posts/{post_id}/posted", data={"url": "https://social.example/1"})
    assert only(Post).published_url == "https://social.example/1"


@pytest.mark.parametrize("kind", ["post", "article", "campaign", "task", "entry"])
def test_each_kind_of_thing_is_moved_by_a_form(marketer: FlaskClient, kind: str) -> None:
    now = datetime.now(UTC)
    rows: dict[str, Any] = {
        "post": Post(network="x", text="Tea", planned_at=now + timedelta(days=1), made_by="Ada"),
        "article": Article(title="Tea", content=ARTICLE, planned_at=now + timedelta(days=1), made_by="Ada"),
        "task": PersonTask(title="Tea", due_on=now.date(), made_by="Ada"),
        "entry": CalendarEntry(title="Tea", starts_on=now.date(), ends_on=now.date(), made_by="Ada"),
    }
    row = make_campaign(name="Tea") if kind == "campaign" else rows[kind]
    db.session.add(row)
    db.session.commit()
    item_id, day = row.id, (now + timedelta(days=9)).date()
    assert "Move it" in read(marketer, f"/calendar/move/{kind}/{item_id}")
    form = {"date": day.isoformat(), "time": "08:15", "back": "/calendar/?view=week"}
    answer = marketer.post(f"/calendar/move/{kind}/{item_id}", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/calendar/?view=week")
    page = read(marketer, f"/calendar/?view=list&on={day}&kind={kind}")
    assert "Tea" in page
    assert ("08:15" in page) == (kind not in ("task", "entry"))


def test_a_drag_that_names_no_hour_keeps_the_one_it_has(marketer: FlaskClient) -> None:
    at = datetime.now(UTC).replace(hour=14, minute=25, second=0, microsecond=0) + timedelta(days=1)
    post_id = add_post(PostDraft("x", "Tea", planned_at=at), made_by="Ada", user_id=None).id
    marketer.post(f"/calendar/move/post/{post_id}", data={"date": (at + timedelta(days=2)).date().isoformat()})
    assert only(Post).planned_at == at + timedelta(days=2)


def test_moving_leads_back_to_the_calendar_alone(marketer: FlaskClient) -> None:
    post_id = add_post(PostDraft("x", "Tea"), made_by="Ada", user_id=None).id
    for back in ("https://evil.example/", "//evil.example/calendar/", "/settings", "/\\evil.example/calendar/"):
        answer = marketer.post(f"/calendar/move/post/{post_id}", data={"date": tomorrow(), "back": back})
        assert answer.headers["Location"] == "/calendar/"


def test_a_time_that_the_clocks_skip_and_one_that_has_passed_are_explained(marketer: FlaskClient) -> None:
    campaign_id = make_campaign().id
    answer = marketer.post(f"/calendar/move/campaign/{campaign_id}", data={"date": "2026-01-01", "time": "10:00"})
    assert answer.status_code == 422
    assert "has passed" in answer.get_data(as_text=True)
    assert marketer.post(f"/calendar/move/campaign/{campaign_id}", data={"date": "soon"}).status_code == 422
    assert only(Campaign).scheduled_at is None


def test_a_filter_stays_in_the_address_and_can_be_taken_away(marketer: FlaskClient) -> None:
    add_post(PostDraft("x", "Only posts", planned_at=datetime.now(UTC)), made_by="Ada", user_id=None)
    page = read(marketer, "/calendar/?kind=campaign")
    assert "Only posts" not in page
    assert "Show all" in page
    assert "Only posts" in read(marketer, "/calendar/?kind=campaign&kind=post")
    for odd in ("?view=year", "?on=yesterday", "?on=0001-01-01", "?kind=nothing"):
        read(marketer, f"/calendar/{odd}")


def test_an_article_is_written_kept_by_itself_and_exported(marketer: FlaskClient) -> None:
    answer = marketer.post("/calendar/articles/new", data={"title": "How to brew green tea"})
    address = answer.headers["Location"]
    based_on = re.search(r'name="based_on" value="(\w+)"', read(marketer, address))
    assert based_on is not None
    faq = ARTICLE["faq"][0]
    form = {
        **{name: str(ARTICLE[name]) for name in ("title", "slug", "meta_title", "meta_description", "body")},
        "question": [faq["question"], ""],
        "answer": [faq["answer"], ""],
        "based_on": based_on[1],
    }
    saved = marketer.post(f"{address}/autosave", data=form)
    assert saved.status_code == 200
    assert saved.json is not None
    assert re.fullmatch(r"\d\d:\d\d", saved.json["saved_at"])
    exported = marketer.get(f"{address}/export.html")
    assert exported.headers["Content-Disposition"] == 'attachment; filename="how-to-brew-green-tea.html"'
    assert "<h2>The water</h2>" in exported.get_data(as_text=True)
    assert marketer.get(f"{address}/export.md").get_data(as_text=True).startswith("---\n")
    preview = marketer.get(f"{address}/preview")
    assert "sandbox" in preview.headers["Content-Security-Policy"]
    assert marketer.post(f"{address}/plan", data={"date": tomorrow(), "time": "10:00"}).status_code == 303
    assert only(Article).state == "planned"


def test_a_version_of_an_article_shows_what_was_changed_since(marketer: FlaskClient) -> None:
    article = add_article({"title": "Tea", "body": "One\nTwo"}, made_by="Content & SEO", user_id=None)
    address = f"/calendar/articles/{article.id}"
    assert "What changed" not in read(marketer, f"{address}/versions/1")
    change_article(article.id, {"title": "Tea", "slug": "tea", "body": "One\nThree"}, made_by="Ada")
    for number in (1, 2):
        page = soup(marketer.get(f"{address}/versions/{number}?view=changes"))
        assert [one.get_text() for one in page.select(".diff del, .diff ins")] == ["Two", "Three"]
        assert "From version 1, by Content & SEO, to version 2" in page.get_text()
    assert "What changed since version 1" in soup(marketer.get(f"{address}/versions")).get_text()


def test_a_date_is_added_changed_and_taken_off(marketer: FlaskClient) -> None:
    assert marketer.post("/calendar/dates/new", data={"title": "", "starts_on": ""}).status_code == 422
    marketer.post("/calendar/dates/new", data={"title": "Tasting", "starts_on": tomorrow()})
    entry_id = only(CalendarEntry).id
    marketer.post(f"/calendar/dates/{entry_id}", data={"title": "Great tasting", "starts_on": tomorrow()})
    assert "Great tasting" in read(marketer, f"/calendar/?on={tomorrow()}")
    marketer.post(f"/calendar/dates/{entry_id}/remove")
    assert "off the calendar" in read(marketer, f"/calendar/?on={tomorrow()}")
    assert "Great tasting" not in read(marketer, f"/calendar/?on={tomorrow()}")


def test_an_outgoing_webhook_is_made_its_secret_shown_once_tested_and_used(
    sign_in: SignIn, receiver: WebhookReceiver
) -> None:
    operator = sign_in("operator")
    made = operator.post("/settings/outgoing-webhooks/", data={"name": "Zapier", "url": receiver.url})
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.get_data(as_text=True))
    assert secret is not None
    receiver.secret = secret[0]
    address = f"/settings/outgoing-webhooks/{only(OutgoingWebhook).id}"
    assert "whsec_" not in read(operator, address)
    operator.post(f"{address}/test")
    assert "Waits" in read(operator, f"{address}/deliveries")
    send_webhook_deliveries(only(OutgoingWebhook).id)
    assert receiver.calls[0].is_signed
    assert "Taken" in read(operator, f"{address}/deliveries")
    form = {"network": "linkedin", "text": "Tea", "webhook_id": only(OutgoingWebhook).id, "then": "now"}
    operator.post("/calendar/posts/new", data=form)
    start_due_posts()
    send_webhook_deliveries(only(OutgoingWebhook).id)
    assert only(Post).state == "published"
    assert "answered 200" in read(operator, f"/calendar/posts/{only(Post).id}")


def test_an_address_that_lux_does_not_call_is_told_beside_its_field(sign_in: SignIn) -> None:
    operator = sign_in("operator")
    for url in ("http://hooks.example.com/", "https://10.0.0.1/", "https://169.254.169.254/", "ftp://a.example/", "x"):
        answer = operator.post("/settings/outgoing-webhooks/", data={"name": "Zapier", "url": url})
        assert answer.status_code == 422
        assert "field-url-error" in answer.get_data(as_text=True)


def test_a_viewer_reads_the_calendar_and_changes_nothing(app: Flask, sign_in: SignIn) -> None:
    post_id = add_post(PostDraft("x", "Tea"), made_by="Ada", user_id=None).id
    viewer = sign_in("viewer")
    for address in ("/calendar/", "/calendar/posts/", f"/calendar/posts/{post_id}", "/calendar/articles/"):
        page = read(viewer, address)
        assert "New post" not in page
        assert "Mark as posted" not in page
    assert viewer.post(f"/calendar/posts/{post_id}/act", data={"action": "cancel"}).status_code == 403
    assert viewer.get("/settings/outgoing-webhooks/").status_code == 403
