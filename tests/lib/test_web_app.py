"""Sessions are signed by a signer that is made once, and still follow the keys."""

from __future__ import annotations

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
