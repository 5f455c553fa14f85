"""Signers are made once and follow the keys, forms are text, addresses are learned when they are first written."""

from __future__ import annotations

import inspect

import pytest
from flask import Flask
from werkzeug.routing import BuildError, Rule

from lib.web_app import WebApp


def make_app(key: str, *older: str) -> WebApp:
    app = WebApp("web_app")
    app.config.update(SECRET_KEY=key, SECRET_KEY_FALLBACKS=list(older))
    return app


def test_one_signer_serves_all_requests_until_the_keys_change() -> None:
    app = make_app("new", "old")
    sessions = app.session_interface
    signer = sessions.get_signing_serializer(app)
    assert sessions.get_signing_serializer(app) is signer
    app.config["SECRET_KEY_FALLBACKS"] = []
    assert sessions.get_signing_serializer(app) is not signer


def test_a_cookie_signed_before_a_rotation_is_read_and_one_of_a_dropped_key_is_not() -> None:
    old = make_app("old")
    signer = old.session_interface.get_signing_serializer(old)
    assert signer is not None
    cookie = signer.dumps({"user": 7})
    for app, expected in ((make_app("new", "old"), {"user": 7}), (make_app("new"), {})):
        with app.test_request_context(headers={"Cookie": f"session={cookie}"}) as context:
            assert dict(context.session) == expected


def test_without_a_key_there_is_no_session() -> None:
    app = WebApp("web_app")
    assert app.session_interface.get_signing_serializer(app) is None


def test_a_form_has_no_nul_and_loses_nothing_else() -> None:
    app = make_app("key")
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        data = {"na\0me": ["A\0nn", "Bo", "\0"], "other": "§ \x01"}
        with app.test_request_context("/", method="POST", data=data, content_type=content_type) as context:
            form = context.request.form
            assert form.getlist("name") == ["Ann", "Bo", ""], content_type
            assert form["other"] == "§ \x01", content_type


def test_an_address_is_written_as_flask_writes_it_and_learned_only_when_asked_for() -> None:
    app, plain = make_app("key"), Flask("plain")
    plain.config["SERVER_NAME"] = app.config["SERVER_NAME"] = "lux.example"
    for one in (app, plain):
        one.add_url_rule("/", "first", str)
        one.add_url_rule("/people/<int:self>/<path:rule>", "person", str)
        one.add_url_rule("/pages/", "pages", str, defaults={"number": 1})
        one.add_url_rule("/pages/<int:number>", "pages", str)
    asked: list[tuple[str, dict[str, object]]] = [
        ("first", {}),
        ("first", {"a": ["1", "2"], "b": "ü &"}),
        ("person", {"self": 7, "rule": "a/b c", "tab": "x"}),
        ("pages", {"number": 1}),
        ("pages", {"number": 2}),
    ]
    with plain.app_context():
        expected = [plain.url_for(endpoint, **values) for endpoint, values in asked]  # type: ignore[arg-type]  # any value
    person = next(rule for rule in app.url_map.iter_rules() if rule.endpoint == "person")
    assert count_learned(person) == [0, 0]
    with app.app_context():
        for _ in range(2):
            assert [app.url_for(endpoint, **values) for endpoint, values in asked] == expected  # type: ignore[arg-type]  # any value
        with pytest.raises(BuildError):
            app.url_for("person", self=7)
    assert count_learned(person) == [0, 1]


def count_learned(rule: Rule) -> list[int]:
    """How many functions each of a rule's two builders has learned."""
    builders = [rule._build, rule._build_unknown]
    cells = [inspect.getclosurevars(builder.__func__).nonlocals["learned"] for builder in builders]  # type: ignore[attr-defined]  # a bound method
    return [len(learned) for learned in cells]
