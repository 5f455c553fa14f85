"""Settings › Brand: saved as typed, refused by field, read by everybody and changed by marketers."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from campaigns.brand import get_brand
from extensions import db

SignIn = Callable[..., FlaskClient]
FORM = {
    "company": "Lumen Tea",
    "website": "lumen.example",
    "voice": "Warm.",
    "audience": "Tea drinkers",
    "offer": "Tea",
    "proof_points": "One garden\n\nNo plastic",
    "links": "Shop: https://lumen.example/shop\nhttps://lumen.example/blog\nOur story | https://lumen.example/story",
    "words_to_use": "garden, harvest",
    "words_to_avoid": "cheap;\nbargain",
    "accent_color": "#00AA88",
}


def test_a_form_becomes_the_brand(app: Flask, sign_in: SignIn) -> None:
    assert sign_in("marketer").post("/settings/brand/", data=FORM).status_code == 303
    db.session.expire_all()
    brand = get_brand()
    assert brand.words_to_avoid == ["cheap", "bargain"]
    assert brand.proof_points == ["One garden", "No plastic"]
    assert [(link["label"], link["url"]) for link in brand.links] == [
        ("Shop", "https://lumen.example/shop"),
        ("lumen.example", "https://lumen.example/blog"),
        ("Our story", "https://lumen.example/story"),
    ]
    assert brand.accent_color == "#00aa88"


def test_what_was_saved_comes_back_the_same(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    client.post("/settings/brand/", data=FORM)
    page = client.get("/settings/brand/").get_data(as_text=True)
    assert "Your brand is complete" in page
    assert "Our story: https://lumen.example/story" in page


def test_a_mistake_keeps_the_text_and_names_the_field(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("marketer")
    answer = client.post("/settings/brand/", data={**FORM, "links": "Shop: javascript:alert(1)"})
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert "#field-links" in page
    assert "Shop: javascript:alert(1)" in page
    autosaved = client.post("/settings/brand/autosave", data={**FORM, "links": "nonsense"})
    assert autosaved.status_code == 422
    assert "nonsense" in autosaved.get_json()["message"]
    assert get_brand().company == ""


def test_it_saves_itself(app: Flask, sign_in: SignIn) -> None:
    answer = sign_in("marketer").post("/settings/brand/autosave", data=FORM)
    assert ":" in answer.get_json()["saved_at"]


def test_a_viewer_reads_and_cannot_change(app: Flask, sign_in: SignIn) -> None:
    client = sign_in("viewer")
    assert "needs the role marketer" in client.get("/settings/brand/").get_data(as_text=True)
    assert client.post("/settings/brand/", data=FORM).status_code == 403
