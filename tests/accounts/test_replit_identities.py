"""Who somebody is at Replit: never by address alone, linked only to an account that has proved itself."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from accounts.replit_refusals import SENTENCES
from accounts.roles import change_user
from extensions import db
from models import AuditEntry, ReplitIdentity, ReplitOAuth, User, UserSession
from tests import makers
from tests.fakes.oidc_provider import OidcProvider
from tests.makers import Browser
from tests.replit_scene import BASE, go_through, list_reasons, set_out, sign_in, visit_provider, who

LOCAL = "ada@lumen.example"


def browser(app: Flask) -> Browser:
    client = app.test_client()
    assert isinstance(client, Browser)
    return client


def press(client: Browser, page: str, action: str) -> Any:
    """Sends the form of a page that leads to an action."""
    form = makers.soup(client.get(page)).find("form", {"action": action})
    assert form is not None, f"{page} has no form to {action}"
    fields = {field["name"]: field.get("value", "") for field in form.find_all("input")}
    return client.post(action, data=fields)


def sign_in_by_password(client: Browser, page: str) -> str:
    """Fills in the card; where it leads to."""
    form = makers.soup(client.get(page)).find("form", {"action": "/sign-in"})
    assert form is not None
    fields = {field["name"]: field.get("value", "") for field in form.find_all("input") if field.get("name")}
    fields.update(email=LOCAL, password=makers.PASSWORD)
    return str(client.post("/sign-in", data=fields).headers["Location"])


def list_linked() -> list[tuple[int, str]]:
    db.session.rollback()
    return [(row.user_id, row.subject) for row in db.session.scalars(select(ReplitIdentity))]


@pytest.mark.parametrize("verified", [False, None, "true", 1, "missing"])
def test_an_address_that_is_not_verified_links_nothing(
    replit_app: Flask, provider: OidcProvider, verified: object
) -> None:
    makers.make_user(role="owner", email=LOCAL)
    provider.people["4711"] = {"email": LOCAL.upper()} | ({} if verified == "missing" else {"email_verified": verified})
    client = browser(replit_app)
    answer = go_through(client)
    assert SENTENCES["address_not_verified"] in unescape(answer.get_data(as_text=True))
    assert list_reasons() == ["address_not_verified"]
    assert "Nobody is signed in" in who(client)
    assert client.get(f"{BASE}/link").headers["Location"].startswith("/sign-in")
    assert list_linked() == []


def test_a_verified_address_links_only_after_the_account_has_proved_itself(
    replit_app: Flask, provider: OidcProvider
) -> None:
    owner = makers.make_user(role="viewer", email=LOCAL)
    provider.people["4711"] = {"email": LOCAL, "email_verified": True, "username": "ada"}
    client = browser(replit_app)
    assert go_through(client).headers["Location"] == f"{BASE}/link"
    assert "Nobody is signed in" in who(client)
    assert list_linked() == []
    card = client.get(f"{BASE}/link").headers["Location"]
    assert sign_in_by_password(client, card) == f"{BASE}/link"
    assert list_linked() == [], "proved, but not yet asked"
    assert press(client, f"{BASE}/link", f"{BASE}/link").headers["Location"] == "/"
    assert list_linked() == [(owner.id, "4711")]
    db.session.expire_all()
    assert db.session.get_one(User, owner.id).role == "viewer"
    again = sign_in(replit_app, "4711")
    assert LOCAL in who(again)


def test_another_account_that_proves_itself_is_not_linked(replit_app: Flask, provider: OidcProvider) -> None:
    makers.make_user(role="owner", email="victim@lumen.example")
    makers.make_user(role="viewer", email=LOCAL)
    provider.people["4711"] = {"email": "victim@lumen.example", "email_verified": True}
    client = browser(replit_app)
    go_through(client)
    sign_in_by_password(client, client.get(f"{BASE}/link").headers["Location"])
    assert SENTENCES["link_expired"] in unescape(client.get(f"{BASE}/link").get_data(as_text=True))
    assert list_linked() == []


def test_the_proof_on_another_browser_links_nothing(replit_app: Flask, provider: OidcProvider) -> None:
    person = makers.make_user(email=LOCAL)
    provider.people["4711"] = {"email": LOCAL, "email_verified": True}
    go_through(browser(replit_app))
    other = makers.signed_in_client(replit_app, person)
    assert other.get(f"{BASE}/link").status_code == 400
    assert other.post(f"{BASE}/link").status_code == 400
    assert list_linked() == []


def test_a_signed_in_person_links_replit_in_the_profile(replit_app: Flask, provider: OidcProvider) -> None:
    person = makers.make_user(role="marketer", email=LOCAL)
    provider.people["4711"] = {"email": "another@lumen.example", "username": "ada"}
    client = makers.signed_in_client(replit_app, person)
    address = link_from_profile(client)
    answer = client.get(visit_provider(address))
    assert answer.headers["Location"] == "/settings/"
    assert list_linked() == [(person.id, "4711")]
    profile = unescape(client.get("/settings/").get_data(as_text=True))
    assert "Linked to <strong>ada</strong>" in profile
    assert LOCAL in who(sign_in(replit_app, "4711"))
    assert db.session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "replit_linked")).all() == ["ada"]


def test_linking_cannot_be_begun_from_another_site(replit_app: Flask, provider: OidcProvider) -> None:
    client = makers.signed_in_client(replit_app, makers.make_user(email=LOCAL))
    assert client.get(f"{BASE}/link/start").status_code in (404, 405)
    client.csrf_token = ""
    assert client.post(f"{BASE}/link/start").status_code == 400
    assert provider.asked("auth") == []


def test_what_one_person_began_is_not_linked_to_another(replit_app: Flask, provider: OidcProvider) -> None:
    first, second = makers.make_user(email="first@lumen.example"), makers.make_user(email=LOCAL)
    client = makers.signed_in_client(replit_app, first)
    back = visit_provider(link_from_profile(client))
    other = makers.signed_in_client(replit_app, second)
    with client.session_transaction() as mine, other.session_transaction() as theirs:
        mine["token"] = theirs["token"]
    assert SENTENCES["link_not_yours"] in unescape(client.get(back).get_data(as_text=True))
    assert list_linked() == []


def test_a_replit_account_belongs_to_one_account_here(replit_app: Flask, provider: OidcProvider) -> None:
    sign_in(replit_app, "4711")
    client = makers.signed_in_client(replit_app, makers.make_user(email=LOCAL))
    answer = client.get(visit_provider(link_from_profile(client), "4711"))
    assert SENTENCES["linked_elsewhere"] in unescape(answer.get_data(as_text=True))
    assert list_reasons() == ["linked_elsewhere"]
    assert len(list_linked()) == 1


def test_an_account_has_one_replit_account(replit_app: Flask, provider: OidcProvider) -> None:
    client = makers.signed_in_client(replit_app, makers.make_user(email=LOCAL))
    start = link_from_profile(client)
    client.get(visit_provider(link_from_profile(client), "1"))
    answer = client.get(visit_provider(start, "2"))
    assert SENTENCES["has_another_link"] in unescape(answer.get_data(as_text=True))
    assert [subject for _, subject in list_linked()] == ["1"]


def test_unlinking_ends_the_browsers_that_came_through_it(replit_app: Flask, provider: OidcProvider) -> None:
    client = makers.signed_in_client(replit_app, makers.make_user(role="owner", email=LOCAL))
    client.get(visit_provider(link_from_profile(client), "4711"))
    through = sign_in(replit_app, "4711")
    press(client, "/settings/", f"{BASE}/unlink")
    assert list_linked() == []
    assert "Nobody is signed in" in who(through)
    assert LOCAL in who(client)
    assert db.session.scalars(select(ReplitOAuth)).all() == []


def test_the_only_way_in_is_not_taken_away(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    user = db.session.scalars(select(User)).one()
    owner = makers.make_user(role="owner", email="owner@lumen.example")
    change_user(user.id, role="viewer", state="active", by=owner, peer="127.0.0.1")
    client = sign_in(replit_app)
    page = makers.soup(client.get("/settings/"))
    token = page.find("meta", {"name": "csrf-token"})
    assert token is not None
    client.post(f"{BASE}/unlink", data={"csrf_token": token["content"]})
    assert SENTENCES["last_way_in"] in unescape(client.get("/settings/").get_data(as_text=True))
    assert len(list_linked()) == 1


def test_a_change_of_role_ends_the_session_that_came_through_replit(replit_app: Flask, provider: OidcProvider) -> None:
    client = sign_in(replit_app)
    owner = makers.make_user(role="owner", email="owner@lumen.example")
    user = db.session.scalars(select(User).where(User.role.is_(None))).one()
    change_user(user.id, role="viewer", state="active", by=owner, peer="127.0.0.1")
    assert "Nobody is signed in" in who(client)


@pytest.mark.parametrize(
    ("email", "verified", "role"),
    [
        ("ada@lumen.example", True, "viewer"),
        ("ada@LUMEN.example", True, "viewer"),
        ("ada@lumen.example", False, None),
        ("ada@evil-lumen.example", True, None),
        ("ada@lumen.example.evil.example", True, None),
    ],
)
def test_expected_domains_come_in_as_viewers_when_their_address_is_verified(
    make_app: Callable[..., Flask],
    provider: OidcProvider,
    empty_database: None,
    email: str,
    verified: bool,
    role: str | None,
) -> None:
    provider.people["1"] = {"email": email, "email_verified": verified}
    app = make_app(REPL_ID=provider.client_id, ISSUER_URL=provider.issuer, SIGNUP_DOMAINS="lumen.example")
    with app.app_context():
        sign_in(app)
        assert db.session.scalars(select(User.role)).one() == role


@pytest.mark.parametrize("email", ["", None, 7, "not an address", "a@b@c"])
def test_without_a_usable_address_nobody_comes_in(replit_app: Flask, provider: OidcProvider, email: object) -> None:
    provider.people["1"] = {"email": email}
    answer = go_through(browser(replit_app))
    assert SENTENCES["no_usable_address"] in unescape(answer.get_data(as_text=True))
    assert db.session.scalars(select(User)).all() == []
    assert db.session.scalars(select(UserSession)).all() == []


def test_the_users_page_says_who_comes_from_replit_and_whose_address_nobody_verified(
    replit_app: Flask, provider: OidcProvider
) -> None:
    provider.people["1"] = {"email": "claimed@lumen.example", "username": "<b>grace</b>"}
    sign_in(replit_app)
    owner = makers.signed_in_client(replit_app, makers.make_user(role="owner", email=LOCAL))
    page = owner.get("/settings/users").get_data(as_text=True)
    assert "Replit: &lt;b&gt;grace&lt;/b&gt; (address not verified)" in page


def link_from_profile(client: Browser) -> str:
    """Presses Link Replit; the address at the provider that the page leads to."""
    page = press(client, "/settings/", f"{BASE}/link/start")
    refresh = makers.soup(page).find("meta", {"http-equiv": "refresh"})
    assert refresh is not None
    return str(refresh["content"]).partition("url=")[2]


def test_a_way_that_began_signed_out_stays_a_sign_in(replit_app: Flask, provider: OidcProvider) -> None:
    client = browser(replit_app)
    back = visit_provider(set_out(client), "4711")
    assert client.get(back).status_code == 302
    assert "person4711@lumen.example" in who(client)
