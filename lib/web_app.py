"""Flask as LUX uses it: without asking on each request what is always the same here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from lib.json_bodies import JsonBodies

Function = TypeVar("Function", bound=Callable[..., Any])


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


class WebApp(Flask):
    """A Flask app without coroutines: none of its functions needs to be looked at for being one."""

    json_provider_class = JsonBodies

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.session_interface: CookieSessions = CookieSessions()

    def ensure_sync(self, func: Function) -> Function:
        return func
