"""The segments' pages: the editor by plain forms and live in a browser; hostile fields get an answer."""

from __future__ import annotations

from collections.abc import Callable

from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from audience.contacts import add_to_segment
from audience.rule_fields import OPERATORS
from audience.segments import describe_segment, find_segment, list_segments
from extensions import db
from tests import makers
from tests.servers import Lux

SignIn = Callable[..., FlaskClient]


def form_of(page: BeautifulSoup) -> dict[str, list[str]]:
    """What a browser would send of the page's editor."""
    editor = page.select_one("main form[method=post]")
    assert editor is not None
    values: dict[str, list[str]] = {}
    for field in editor.select("input[name], select[name]"):
        if field.name == "select":
            chosen = field.select_one("option[selected]") or field.select_one("option")
            value = str(chosen["value"]) if chosen else ""
        elif field.get("type") == "checkbox" and not field.has_attr("checked"):
            continue
        else:
            value = str(field.get("value", ""))
        values.setdefault(str(field["name"]), []).append(value)
    return values


def press(client: FlaskClient, path: str, form: dict[str, list[str]], do: str) -> BeautifulSoup:
    answer = client.post(path, data={**form, "do": do})
    assert answer.status_code == 200
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")


def test_a_segment_is_built_without_javascript(app: Flask, sign_in: SignIn) -> None:
    makers.make_contact(name="Ann", attributes={"plan": "pro"}, tags="vip")
    makers.make_contact(name="Bob", attributes={"plan": "free"})
    client = sign_in("marketer")
    page = BeautifulSoup(client.get("/segments/new").get_data(as_text=True), "html.parser")
    form = form_of(page) | {"name": ["Pro or vip"]}
    form = form_of(press(client, "/segments/new", form, "group rules")) | {"rules.1.rules.0.field": ["attribute.plan"]}
    page = press(client, "/segments/new", form, "add rules.1.rules")
    form = form_of(page) | {
        "rules.1.rules.0.operator": ["is"],
        "rules.1.rules.0.value": ["pro"],
        "rules.1.rules.1.field": ["tag"],
    }
    page = press(client, "/segments/new", form, "refresh")
    assert "Some conditions are not complete yet" in page.get_text(" ")
    form = form_of(page)
    assert form["name"] == ["Pro or vip"]
    form |= {"rules.1.rules.1.value": ["vip"]}
    page = press(client, "/segments/new", form, "refresh")
    words = page.get_text(" ", strip=True)
    assert "Contacts whose subscription is “subscribed” and (whose plan is “pro” or who have the tag “vip”)." in words
    assert "1 contact as of" in words and "Ann" in words
    saved = client.post("/segments/new", data={**form_of(page), "do": "save"})
    assert saved.status_code == 303
    segment = list_segments("pro or")[0]
    assert saved.location == f"/segments/{segment.id}"
    assert segment.made_by.startswith("Person")
    shown = BeautifulSoup(client.get(saved.location).get_data(as_text=True), "html.parser").get_text(" ", strip=True)
    assert "In words Contacts whose subscription is “subscribed” and (whose plan" in shown
    assert "Five of them" in shown and "Ann" in shown and "1 contact, as of" in shown
    page = BeautifulSoup(client.get(f"{saved.location}/edit").get_data(as_text=True), "html.parser")
    page = press(client, f"{saved.location}/edit", form_of(page), "remove rules.0")
    assert client.post(f"{saved.location}/edit", data={**form_of(page), "do": "save"}).status_code == 303
    db.session.expire_all()
    changed = find_segment(segment.id)
    assert changed is not None
    assert describe_segment(changed) == "Contacts (whose plan is “pro” or who have the tag “vip”)."


def test_what_is_wrong_stands_beside_its_condition_and_nothing_typed_is_lost(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    form = {
        "name": "",
        "match": "any",
        "rules.0.field": "opened",
        "rules.0.operator": "within_days",
        "rules.0.value": "soon",
        "rules.7.field": "attribute.",
        "rules.7.key": "favourite tea",
        "rules.7.operator": "is",
        "rules.7.value": "Assam",
        "do": "save",
    }
    answer = client.post("/segments/new", data=form)
    assert answer.status_code == 422
    page = BeautifulSoup(answer.get_data(as_text=True), "html.parser")
    assert "Enter a number of days from 1 to 3650." in page.select(".rule")[0].get_text(" ")
    assert page.select_one("#field-rules-0-value")["value"] == "soon"  # type: ignore[index]  # it is there
    assert page.select_one("[name='rules.1.key']")["value"] == "favourite tea"  # type: ignore[index]  # it is there
    assert page.select_one("#field-rules-1-value")["value"] == "Assam"  # type: ignore[index]  # it is there
    saved = client.post("/segments/new", data={**form, "name": "Tea", "rules.0.value": "30"})
    assert saved.status_code == 303
    assert describe_segment(list_segments("tea")[0]) == (
        "Contacts who opened a message in the last 30 days or whose favourite tea is “Assam”."
    )


def test_a_segment_without_rules_is_kept_by_hand(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    assert client.post("/segments/new", data={"name": "Friends", "do": "save"}).status_code == 303
    segment = list_segments("friends")[0]
    add_to_segment(segment.id, [makers.make_contact().id], actor="Ada")
    assert "1 contact, as of" in client.get(f"/segments/{segment.id}").get_data(as_text=True)
    answer = client.get(f"/segments/counts?of={segment.id}&of=x&of=4711").get_data(as_text=True)
    assert f'<span id="count-{segment.id}" hx-swap-oob="true">1</span>' in answer
    assert client.post(f"/segments/{segment.id}/archive").location == "/segments/"
    assert "Friends" not in client.get("/segments/").get_data(as_text=True).split("<table")[1]


def test_an_empty_list_offers_recipes_that_fill_the_editor(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    page = BeautifulSoup(client.get("/segments/").get_data(as_text=True), "html.parser")
    recipes = [str(link["href"]) for link in page.select(".tile a")]
    assert len(recipes) == 5
    for number, href in enumerate(recipes):
        form = form_of(BeautifulSoup(client.get(href).get_data(as_text=True), "html.parser"))
        assert client.post("/segments/new", data={**form, "do": "save"}).status_code == 303
        assert len(list_segments()) == number + 1
    assert client.get("/segments/new?recipe=99").status_code == 200


def test_rules_in_the_address_fill_the_editor_only_when_they_are_whole(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    good = '{"match":"all","rules":[{"field":"tag","operator":"has","value":"vip"}]}'
    assert "who have the tag “vip”" in client.get("/segments/new", query_string={"rules": good}).get_data(as_text=True)
    for bad in ("", "{", "[]", '{"rules":' * 900, '{"match":"all","rules":[{"field":"password","operator":"is"}]}'):
        assert client.get("/segments/new", query_string={"rules": bad}).status_code == 200


def test_viewers_read_segments_and_change_none(app: Flask, sign_in: SignIn) -> None:
    segment = makers.make_segment()
    client = sign_in("viewer")
    assert client.get(f"/segments/{segment.id}").status_code == 200
    for path in ("/segments/new", f"/segments/{segment.id}/edit"):
        assert client.get(path).status_code == 403
        assert client.post(path, data={"name": "x"}).status_code == 403
    for path in ("/segments/preview", "/segments/editor", f"/segments/{segment.id}/archive"):
        assert client.post(path).status_code == 403


steps = st.sampled_from(["add", "group", "remove", "save", "refresh", ""])
paths = st.sampled_from(["rules", "rules.0", "rules.0.rules", "rules.0.rules.0", "rules.99", "x", "rules..", ""])
keys = st.builds(
    "{}.{}".format, paths, st.sampled_from(["field", "operator", "value", "match", "key", "0.field", "0.operator"])
)
values = st.one_of(
    st.sampled_from([one for known in OPERATORS.values() for one in known]),
    st.sampled_from(["segment", "opened", "attribute.", "attribute.x", "tag", "campaign_opened", "created_at"]),
    st.text(max_size=20),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(form=st.dictionaries(keys, values, max_size=8), step=steps, path=paths)
def test_any_form_gets_an_answer(app: Flask, sign_in: SignIn, form: dict[str, str], step: str, path: str) -> None:
    client = sign_in("marketer")
    sent = {"name": "x", **form, "do": f"{step} {path}".strip()}
    assert client.post("/segments/new", data=sent).status_code in (200, 303, 422)
    assert client.post("/segments/editor", data=sent).status_code == 200
    assert client.post("/segments/preview", data=sent).status_code == 200


def test_the_count_follows_what_is_typed(start_lux: Callable[..., Lux], open_browser: Callable[..., Page]) -> None:
    lux = start_lux()
    app = lux.make_app()
    with app.app_context():
        for name in ("Ann", "Annette", "Bob"):
            makers.make_contact(name=name)
        cookie = makers.signed_in_client(app, makers.make_user(role="marketer")).get_cookie("lux")
    assert cookie is not None
    page = open_browser(lux.url)
    page.context.add_cookies([{"name": "lux", "value": cookie.value, "url": lux.url}])
    page.goto("/segments/new")
    preview = page.locator("#segment-preview")
    expect(preview).to_contain_text("3 contacts")
    page.get_by_label("Name", exact=True).fill("Anns")
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Condition 2, field").select_option("name")
    page.get_by_label("Condition 2, comparison").select_option("starts_with")
    page.get_by_label("Condition 2, value").press_sequentially("ann", delay=30)
    expect(preview).to_contain_text("whose name starts with “ann”")
    expect(preview).to_contain_text("2 contacts")
    page.get_by_role("button", name="Add a group").click()
    page.get_by_label("Condition 3.1, field").select_option("tag")
    expect(preview).to_contain_text("not complete")
    page.get_by_role("button", name="Remove group 3").click()
    expect(preview).to_contain_text("2 contacts")
    page.get_by_role("button", name="Save the segment").click()
    expect(page.get_by_role("heading", level=1, name="Anns")).to_be_visible()
    expect(page.get_by_text("2 contacts, as of").first).to_be_visible()
