"""Flask as LUX uses it: its forms are text, and no request asks again for what is always the same here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Request
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from werkzeug.formparser import FormDataParser
from werkzeug.routing import Rule

from lib.json_bodies import JsonBodies

Function = TypeVar("Function", bound=Callable[..., Any])
Builder = Callable[..., tuple[str, str]]


class CookieSessions(SecureCookieSessionInterface):
    """Flask's own sessions, whose signer is made once for each set of keys instead of for each request."""

    def __init__(self) -> None:
        self._made: tuple[tuple[object, ...], URLSafeTimedSerializer | None] | None = None

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        keys = (app.secret_key, *(app.config["SECRET_KEY_FALLBACKS"] or ()))
        made = self._made
        if made is None or made[0] != keys:
            made = self._made = keys, super().get_signing_serializer(app)
        return made[1]


class TextForms(FormDataParser):
    """Forms without the one character that no person types and that PostgreSQL keeps in no text: NUL is left out."""

    def parse(self, *arguments: Any, **options: Any) -> Any:
        stream, form, files = super().parse(*arguments, **options)
        if any("\0" in name or "\0" in value for name, value in form.items(multi=True)):
            form = self.cls([(_text(name), _text(value)) for name, value in form.items(multi=True)])
        return stream, form, files


class WebRequest(Request):
    """A request whose form is text."""

    form_data_parser_class = TextForms


class LateRule(Rule):
    """A line of the map that learns to write its address when it is first asked to.

    Werkzeug compiles two functions for each rule as soon as it has it, which is three quarters of what it takes to make
    an app of some hundred rules; a process asks for few of them.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Builder:
        learn = super()._compile_builder
        learned: list[Builder] = []

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            if not learned:
                learned.append(learn(append_unknown))
            return learned[0](rule, **values)

        return build


class WebApp(Flask):
    """A Flask app without coroutines: none of its functions needs to be looked at for being one."""

    json_provider_class = JsonBodies
    request_class = WebRequest
    url_rule_class = LateRule

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.session_interface: CookieSessions = CookieSessions()

    def ensure_sync(self, func: Function) -> Function:
        return func


def _text(value: str) -> str:
    return value.replace("\0", "")
