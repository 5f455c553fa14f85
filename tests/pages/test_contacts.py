"""The contacts pages: without JavaScript, by role, with hostile words, and nothing changes by looking."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from sqlalchemy import text
from werkzeug.datastructures import MultiDict

from audience.contacts import find_contact_by_email, get_contact, tags_of
from extensions import db
from models import Confirmation, Contact, Segment
from tests import makers
from tests.campaigns.ledger_scene import make_contacts
from tests.servers import Lux

SignIn = Callable[..., FlaskClient]
TABLES = (
    "contacts", "contact_events", "consent_entries", "segments", "segment_memberships", "contact_imports",
    "suppressions", "audit_entries",
)  # fmt: skip
PAYLOADS = (Path(__file__).parent.parent / "fixtures" / "xss_payloads.txt").read_text().splitlines()


def soup_of(client: FlaskClient, path: str, status: int = 200) -> BeautifulSoup:
    answer = client.get(path)
    assert answer.status_code == status, path
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def fresh(contact: Contact) -> Contact:
    db.session.expire_all()
    return get_contact(contact.id)


def confirm(client: FlaskClient, asked: object, button: str) -> None:
    """Presses the button of a page that asks first, with the fields that the page has."""
    page = BeautifulSoup(asked.get_data(as_text=True), "html.parser")  # type: ignore[attr-defined]  # a response
    form = page.select_one("main form")
    assert form is not None and button in form.get_text(" ")
    fields = [(str(field["name"]), str(field.get("value", ""))) for field in form.select("input[name]")]
    assert client.post(str(form["action"]), data=MultiDict(fields)).status_code == 303


def test_an_empty_house_offers_the_four_ways_to_begin(app: Flask, sign_in: SignIn) -> None:
    page = soup_of(sign_in("marketer"), "/contacts/").get_text(" ")
    assert "No contacts yet" in page
    for way in ("Add a contact", "Import a CSV file", "Connect Zapier", "Try it with sample data"):
        assert way in page


def test_the_list_keeps_its_filters_in_the_address_and_each_chip_takes_one_off(app: Flask, sign_in: SignIn) -> None:
    makers.make_contact(name="Ann", tags="vip", source="Fair")
    makers.make_contact(name="Bob", subscription="none")
    client = sign_in("viewer")
    page = soup_of(client, "/contacts/?q=ann&subscription=subscribed&tag=vip&source=Fair&columns=phone&columns=company")
    assert [row.get_text(" ", strip=True)[:3] for row in page.select("tbody th")] == ["Ann"]
    assert [head.get_text(strip=True) for head in page.select("thead th")] == ["Contact", "Phone", "Company"]
    chips = {
        chip.get_text(" ", strip=True).split(" Remove")[0]: chip.select_one("a.chip__remove")
        for chip in page.select(".filter-bar__chips .chip")
    }
    assert list(chips) == ["“ann”", "Subscribed", "Source: Fair", "Tag: vip"]
    without = chips["Tag: vip"]
    assert without is not None
    assert "tag=" not in str(without["href"])
    assert "q=ann" in str(without["href"]) and "columns=company" in str(without["href"])
    nothing = soup_of(client, "/contacts/?q=nobody").get_text(" ")
    assert "No contact matches" in nothing and "Clear search and filters" in nothing


def test_pages_go_on_and_back_with_the_filters(app: Flask, sign_in: SignIn) -> None:
    for _ in range(55):
        makers.make_contact(name="Ann")
    client = sign_in("viewer")
    first = soup_of(client, "/contacts/?q=ann")
    following = first.select_one("a[rel=next]")
    assert following is not None and "q=ann" in str(following["href"])
    second = soup_of(client, str(following["href"]))
    assert len(second.select("tbody tr")) == 5
    back = second.select_one("a[rel=prev]")
    assert back is not None
    assert soup_of(client, str(back["href"])).select("tbody tr")[0] is not None


def test_a_contact_is_added_and_changed_by_plain_forms(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    refused = client.post("/contacts/new", data={"email": "wrong", "name": "Ann Lee", "agreed": "1"})
    page = BeautifulSoup(refused.get_data(as_text=True), "html.parser")
    assert refused.status_code == 422
    assert page.select_one("#field-name")["value"] == "Ann Lee"  # type: ignore[index]  # it is there
    assert {link["href"] for link in page.select(".error-summary a")} == {"#field-email", "#field-wording"}
    added = client.post(
        "/contacts/new", data={"email": "Ann@Example.com", "name": "Ann Lee", "agreed": "1", "wording": "Fair"}
    )
    contact = find_contact_by_email("ann@example.com")
    assert contact is not None and added.location == f"/contacts/{contact.id}"
    known = client.post("/contacts/new", data={"email": "ann@example.com"})
    assert known.status_code == 422 and "Open Ann Lee" in known.get_data(as_text=True)
    seen = soup_of(client, f"/contacts/{contact.id}/edit").select_one("[name=seen_at]")
    assert seen is not None
    form = {
        "email": "ann@example.com", "name": "Ann B. Lee", "tags": "vip", "seen_at": seen["value"],
        "attribute_key": ["plan", ""], "attribute_value": ["pro", ""],
    }  # fmt: skip
    assert client.post(f"/contacts/{contact.id}/edit", data=form).status_code == 303
    assert (fresh(contact).name, fresh(contact).attributes) == ("Ann B. Lee", {"plan": "pro", "tags": ["vip"]})
    late = client.post(f"/contacts/{contact.id}/edit", data={**form, "name": "Late"})
    assert late.status_code == 409
    assert "Late" in late.get_data(as_text=True) and "Somebody changed" in late.get_data(as_text=True)


def test_consent_tags_and_segments_of_one_person(app: Flask, sign_in: SignIn) -> None:
    client, contact = sign_in("marketer"), makers.make_contact()
    segment = makers.make_segment(name="Friends", rules={})
    at = f"/contacts/{contact.id}"
    assert client.post(f"{at}/consent", data={"to": "unsubscribed", "wording": "Called"}).status_code == 303
    assert fresh(contact).subscription == "unsubscribed"
    assert client.post(f"{at}/consent", data={"to": "subscribed", "wording": " "}).status_code == 422
    assert client.post(f"{at}/consent", data={"to": "subscribed", "wording": "Called again"}).status_code == 303
    assert fresh(contact).subscription == "subscribed"
    assert client.post(f"{at}/tags", data={"tag": "vip, tea"}).status_code == 303
    assert client.post(f"{at}/tags", data={"remove": "vip"}).status_code == 303
    assert tags_of(fresh(contact)) == ["tea"]
    assert client.post(f"{at}/segments", data={"add": segment.id}).status_code == 303
    page = soup_of(client, at).get_text(" ", strip=True)
    for told in ("Friends", "Called again", "Subscribed", "tea", "Tag taken off"):
        assert told in page
    assert client.post(f"{at}/segments", data={"remove": segment.id}).status_code == 303
    assert client.post(f"{at}/segments", data={"add": "4711"}).status_code == 404
    assert client.post(f"{at}/segments", data={"add": "x"}).status_code == 303


def test_several_are_acted_on_and_what_cannot_be_undone_is_asked_first(
    app: Flask, sign_in: SignIn, count_rows: Callable[[str], int]
) -> None:
    client = sign_in("marketer")
    contacts = [makers.make_contact() for _ in range(3)]
    ids = [contact.id for contact in contacts]
    segment = makers.make_segment(rules={})
    back = "/contacts/?q=ann"

    def act(**form: object) -> object:
        return client.post("/contacts/bulk", data={"contact_id": ids, "back": back, **form})

    assert act(action="tag", tag="vip").location == back  # type: ignore[attr-defined]  # a response
    assert all(tags_of(fresh(contact)) == ["vip"] for contact in contacts)
    act(action="segment", segment_id=segment.id)
    assert count_rows("segment_memberships") == 3
    act(action="segment", segment_id="")
    confirm(client, act(action="unsubscribe"), "Unsubscribe 3 contacts")
    assert fresh(contacts[0]).subscription == "unsubscribed"
    act(action="delete")
    assert count_rows("contacts") == 3
    confirm(client, act(action="delete"), "Delete 3 contacts")
    assert (count_rows("contacts"), count_rows("suppressions")) == (0, 3)
    assert client.post("/contacts/bulk", data={"action": "tag"}).location == "/contacts/"
    for evil in ("https://evil.example/", "//evil.example", "/contacts\\@evil.example", "/contacts/\r\nx: y"):
        location = client.post("/contacts/bulk", data={"back": evil}).location
        assert location == "/contacts/" or location.startswith("/contacts")


def test_erasing_needs_the_address_typed(app: Flask, sign_in: SignIn, count_rows: Callable[[str], int]) -> None:
    client, contact = sign_in("marketer"), makers.make_contact(email="ann@example.com")
    at = f"/contacts/{contact.id}/erase"
    assert soup_of(client, at).select_one("#field-typed") is not None
    assert client.post(at, data={"typed": "ann"}).status_code == 422
    assert count_rows("contacts") == 1
    assert client.post(at, data={"typed": " Ann@Example.com "}).status_code == 303
    assert count_rows("contacts") == 0
    assert client.get(f"/contacts/{contact.id}").status_code == 404


def test_a_viewer_reads_and_takes_nothing_out(app: Flask, sign_in: SignIn, count_rows: Callable[[str], int]) -> None:
    client, contact = sign_in("viewer"), makers.make_contact()
    at = f"/contacts/{contact.id}"
    page = soup_of(client, "/contacts/")
    assert page.select("form[method=post]") == page.select(".shell__user form")
    assert soup_of(client, at).select("main form") == []
    for path in ("/contacts/new", f"{at}/edit", f"{at}/erase"):
        assert client.get(path).status_code == 403
    for path in (
        "/contacts/export", "/contacts/bulk", "/contacts/sample", "/contacts/new", f"{at}/export", f"{at}/erase",
        f"{at}/consent", f"{at}/tags", f"{at}/segments", f"{at}/edit", "/contacts/imports/",
    ):  # fmt: skip
        assert client.post(path, data={"contact_id": contact.id, "action": "export"}).status_code == 403, path
    assert (count_rows("contacts"), count_rows("contact_imports")) == (1, 0)


def test_exports_are_for_marketers_and_follow_the_filter(
    app: Flask, sign_in: SignIn, count_rows: Callable[[str], int]
) -> None:
    client = sign_in("marketer")
    ann, bob = makers.make_contact(name="Ann", source="Fair"), makers.make_contact(name="=Bob")

    def names(answer: object) -> list[str]:
        body = answer.get_data(as_text=True).lstrip("\ufeff")  # type: ignore[attr-defined]  # a response
        return [row["name"] for row in csv.DictReader(io.StringIO(body, newline=""))]

    answer = client.post("/contacts/export", buffered=True)
    assert names(answer) == ["Ann", "'=Bob"]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="contacts.csv"'
    assert answer.mimetype == "text/csv"
    assert names(client.post("/contacts/export?source=Fair", buffered=True)) == ["Ann"]
    assert names(client.post("/contacts/bulk", data={"contact_id": [bob.id], "action": "export"}, buffered=True)) == [
        "'=Bob"
    ]
    assert "Ann" in client.post(f"/contacts/{ann.id}/export").get_data(as_text=True)
    assert count_rows("audit_entries") == 4


def test_sample_data_comes_and_goes(app: Flask, sign_in: SignIn, count_rows: Callable[[str], int]) -> None:
    client = sign_in("marketer")
    came = client.post("/contacts/sample")
    assert count_rows("contacts") == 60
    assert "Remove the sample data" in soup_of(client, came.location).get_text(" ")
    client.post("/contacts/sample", data={"action": "remove"})
    assert count_rows("contacts") == 0


def test_looking_changes_nothing(app: Flask, sign_in: SignIn) -> None:
    contact, segment = makers.make_contact(tags="vip"), makers.make_segment()
    client = sign_in("marketer")

    def everything() -> list[str]:
        with db.engine.connect() as connection:
            return [str(connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).all()) for table in TABLES]

    before = everything()
    for path in (
        "/contacts/?q=ann", f"/contacts/{contact.id}", f"/contacts/{contact.id}/edit", f"/contacts/{contact.id}/erase",
        "/contacts/new", "/contacts/imports/", "/segments/", f"/segments/{segment.id}", f"/segments/{segment.id}/edit",
        f"/segments/counts?of={segment.id}", "/segments/new?recipe=1",
    ):  # fmt: skip
        assert client.get(path).status_code == 200, path
    assert everything() == before


@pytest.mark.parametrize("number", [4711, 2**63 - 1, 2**63, 10**30])
def test_whom_nobody_knows_is_not_found(app: Flask, sign_in: SignIn, number: int) -> None:
    client = sign_in("marketer")
    for path in (
        f"/contacts/{number}",
        f"/contacts/{number}/edit",
        f"/segments/{number}",
        f"/contacts/imports/{number}",
    ):
        assert client.get(path).status_code == 404
    assert client.get(f"/contacts/?segment={number}&after={number}&before={number}").status_code == 200


def hostile_contact(payload: str) -> tuple[Contact, Segment]:
    """A contact and a segment that have the words wherever words can stand."""
    contact = makers.make_contact(
        name=payload,
        source=payload,
        tags=payload.replace(",", " ")[:50],
        attributes={payload[:90]: payload, "company": payload},
    )
    segment = makers.make_segment(
        name=f"{contact.id} {payload}"[:120],
        rules={"match": "all", "rules": [{"field": "name", "operator": "is", "value": payload}]},
    )
    return contact, segment


def test_hostile_words_are_shown_as_words(app: Flask, sign_in: SignIn) -> None:
    planted = [(payload, *hostile_contact(payload)) for payload in PAYLOADS]
    client = sign_in("marketer")
    paths = ["/contacts/", "/segments/", f"/contacts/{planted[0][1].id}/erase"]
    for payload, contact, segment in planted:
        paths += [
            f"/contacts/?q={quote(payload)}&source={quote(payload)}&tag={quote(payload)}",
            f"/contacts/{contact.id}/edit",
            f"/segments/{segment.id}",
            f"/segments/{segment.id}/edit" if segment.id % 2 else f"/segments/new?name={quote(payload)}",
        ]
        profile = soup_of(client, f"/contacts/{contact.id}")
        expect_harmless(profile, payload)
        assert " ".join(payload.split()) in profile.get_text(" ")
    for path in paths:
        expect_harmless(soup_of(client, path), path)


def expect_harmless(page: BeautifulSoup, where: str) -> None:
    """Nothing on the page runs, loads or embeds what LUX has not put there."""
    for element in page.find_all(True):
        assert not any(name.startswith("on") for name in element.attrs), (where, element)
        assert element.name not in ("iframe", "object", "embed", "base", "math", "video", "audio", "marquee"), where
        for name in ("href", "src", "action", "data-module", "hx-get"):
            value = str(element.get(name, ""))
            assert not value.lower().startswith(("javascript:", "data:")), (where, element)
        assert "evil" not in str(element.get("data-module", "")), (where, element)
    assert all(script.get("src") for script in page.find_all("script")), where


def test_hostile_words_run_nowhere_in_a_real_browser(
    start_lux: Callable[..., Lux], open_browser: Callable[..., Page]
) -> None:
    lux = start_lux()
    app = lux.make_app()
    with app.app_context():
        contacts = [hostile_contact(payload)[0].id for payload in PAYLOADS]
        cookie = makers.signed_in_client(app, makers.make_user(role="marketer")).get_cookie("lux")
    assert cookie is not None
    page = open_browser(lux.url)
    page.context.add_cookies([{"name": "lux", "value": cookie.value, "url": lux.url}])
    page.context.expose_binding("luxRan", lambda _source: pytest.fail("a planted script ran"))
    for path in [
        "/contacts/",
        "/contacts/?subscription=subscribed",
        "/segments/",
        *(f"/contacts/{one}" for one in contacts[::4]),
    ]:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_who_waits_to_confirm_is_asked_again_from_the_profile(sign_in: Callable[..., FlaskClient]) -> None:
    (contact_id,) = make_contacts(1, subscription="pending")
    client = sign_in("marketer")
    assert "Will be asked to confirm in a moment." in client.get(f"/contacts/{contact_id}").text
    answer = client.post(f"/contacts/{contact_id}/confirmation", follow_redirects=True)
    assert "The question is on its way." in answer.text
    assert db.session.get_one(Confirmation, contact_id).attempts == 0
    assert client.post("/contacts/999999/confirmation").status_code == 404
