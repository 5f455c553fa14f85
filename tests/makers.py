"""Makes rows for tests: keyword-only, valid by default, through the noun packages."""

from __future__ import annotations

import contextvars
import io
import itertools
import secrets
from typing import Any

from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from PIL import Image

from accounts.sessions import start_session
from accounts.users import add_user
from audience.consent import REFUSALS, withdraw_consent
from audience.contacts import ContactInput, add_contact
from audience.segments import add_segment
from campaigns.drafting import add_campaign
from creative.assets import add_asset
from extensions import db
from lib.pictures import read_upload
from models import Asset, Campaign, Contact, Segment, User

PASSWORD = "seven violet lanterns"
_numbers = itertools.count(1)


def make_user(*, role: str | None = "owner", email: str | None = None, password: str = PASSWORD) -> User:
    """A user with a known password."""
    number = next(_numbers)
    user = add_user(
        email=email or f"person{number}@lumen.example", name=f"Person {number}", password=password, role=role
    )
    db.session.commit()
    return user


class Browser(FlaskClient):
    """A client whose requests run in a context of their own, as they do in gunicorn: no session or `g` is shared.

    With a csrf_token it sends that with every request, as a page of LUX would. Each answer is read to its end and
    closed, as a server does.
    """

    csrf_token = ""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        if self.csrf_token:
            headers = dict(kwargs.pop("headers", None) or {})
            headers.setdefault("X-CSRFToken", self.csrf_token)
            kwargs["headers"] = headers
        kwargs.setdefault("buffered", True)
        return contextvars.Context().run(super().open, *args, **kwargs)


def signed_in_client(app: Flask, user: User) -> Browser:
    """A client with a live session of the user."""
    token = start_session(user, peer="127.0.0.1", user_agent="tests")
    secret = secrets.token_hex(20)
    client = Browser(app, app.response_class)
    with client.session_transaction() as session:
        session["token"] = token
        session["csrf_token"] = secret
    client.csrf_token = URLSafeTimedSerializer(str(app.secret_key), salt="wtf-csrf-token").dumps(secret)
    return client


def make_campaign(
    *,
    name: str = "Spring sale",
    content: dict[str, Any] | None = None,
    segment_id: int | None = None,
    goal: str = "Bring people back",
    made_by: str = "Ada Lovelace",
) -> Campaign:
    """A draft with a subject, a text and a button."""
    words = {
        "subject": "Hello {{first_name|friend}}",
        "blocks": [
            {"kind": "heading", "text": "Spring", "level": 1},
            {"kind": "text", "text": "Read [the story](https://shop.lumen.example/story) today."},
            {"kind": "button", "label": "Shop now", "url": "https://shop.lumen.example/now"},
            {"kind": "footer", "text": "You asked us to write."},
        ],
    }
    return add_campaign(
        name=name, goal=goal, made_by=made_by, segment_id=segment_id, content=words if content is None else content
    )


def make_contact(
    *,
    email: str | None = None,
    name: str = "Ann Lee",
    phone: str = "",
    source: str = "Website form",
    tags: str = "",
    attributes: dict[str, str] | None = None,
    subscription: str = "subscribed",
) -> Contact:
    """A contact added by hand; subscribed with a stated reason, or in another state by the ledger."""
    given = ContactInput(
        email=email or f"contact{next(_numbers)}@example.com",
        name=name,
        phone=phone,
        source=source,
        tags=tags,
        attributes=attributes or {},
    )
    wording = None if subscription == "none" else "Signed up at the counter."
    contact = add_contact(given, wording=wording, actor="Ada Lovelace", region="US")
    if subscription in REFUSALS:
        withdraw_consent(contact.id, method="test", state=subscription)
        db.session.commit()
    return contact


def make_segment(*, name: str | None = None, rules: dict[str, Any] | None = None) -> Segment:
    """A segment of everybody who is subscribed, or by the given rules; `rules={}` makes one by hand."""
    everybody = {"match": "all", "rules": [{"field": "subscription", "operator": "is", "value": "subscribed"}]}
    given = everybody if rules is None else rules or None
    return add_segment(name or f"Segment {next(_numbers)}", rules=given, made_by="Ada Lovelace")


def make_asset(*, name: str = "A cup of tea", alt: str = "A white cup of green tea", colour: str = "#79dbe5") -> Asset:
    """An uploaded picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (600, 300), colour).save(out, "PNG")
    return add_asset(name=name, alt=alt, picture=read_upload(out.getvalue()), made_by="Ada Lovelace")


def soup(answer: Any) -> BeautifulSoup:
    """A page as it can be asked about."""
    return BeautifulSoup(answer.get_data(as_text=True), "html.parser")
