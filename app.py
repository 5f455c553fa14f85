"""Builds LUX: create_app() puts the parts together and nothing else."""

from __future__ import annotations

import secrets
import sys
from datetime import timedelta
from pathlib import Path

from flask import Flask, current_app, g, request
from flask.typing import ResponseReturnValue
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

import embedded_postgres
from answers import init_answers
from commands import init_commands, is_offline_command, make_offline_app
from config import Settings, load_settings
from diagnostics.traffic import init_traffic
from error_logger import init_app_log, init_error_logger
from extensions import csrf, db, login, migrate
from lib.compression import gzip_padded
from lib.redaction import Redactor
from lib.release import release_name
from lib.request_gate import RequestGate
from lib.shared_counters import SharedCounters
from lib.web_app import WebApp
from news import init_news
from pages.assets import init_assets
from routes import PAGES
from site_map import init_site_map

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# What every answer carries unless its page says otherwise.
USUAL_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LARGEST_BODY_BYTES = 20 * 1024 * 1024
COMPRESSED = ("text/html", "image/svg+xml")
SMALLEST_TO_COMPRESS = 1400


def create_app(settings: Settings | None = None) -> Flask:
    """Builds the app. Raises SettingInvalid or StartRefused when it cannot start here."""
    if settings is None and is_offline_command(sys.argv):
        return make_offline_app()
    settings = settings or load_settings()
    app = WebApp("lux", root_path=__file__.rpartition("/")[0], static_folder=None)
    app.config.update(_flask_settings(settings))
    _watch_errors(app, settings)
    app.wsgi_app = RequestGate(app.wsgi_app, settings.web_threads)  # type: ignore[method-assign]  # Flask's documented way
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]  # Flask's documented way
    db.init_app(app)
    init_news(app)
    migrate.init_app(app, db, directory=f"{app.root_path}/migrations")
    # Not init_app: it reads the session after every request, for a remember-me cookie that LUX does not have, and so
    # lets every asset vary by cookie.
    app.login_manager = login  # type: ignore[attr-defined]  # Flask-Login's own name for it
    app.before_request(_name_request)
    app.after_request(_secure)
    app.after_request(_compress)
    init_answers(app)
    init_assets(app)
    init_site_map(app, PAGES)
    csrf.init_app(app)
    init_commands(app)
    return app


def _flask_settings(settings: Settings) -> dict[str, object]:
    url = settings.database_url or embedded_postgres.ensure_running(settings.lux_data_dir)
    is_https = settings.lux_public_url.startswith("https://")
    return {
        "LUX": settings,
        "CONTENT_SECURITY_POLICY": CONTENT_SECURITY_POLICY,
        "SECRET_KEY": settings.session_secrets[0],
        "SECRET_KEY_FALLBACKS": list(settings.session_secrets[1:]),
        "SQLALCHEMY_DATABASE_URI": url.replace("postgresql://", "postgresql+psycopg://", 1),
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "pool_pre_ping": True,
            # What people typed does not belong into logs and tracebacks.
            "hide_parameters": True,
            "pool_size": settings.web_threads,
            "max_overflow": 4,
            "connect_args": {"connect_timeout": 5, "application_name": "lux"},
        },
        "SESSION_COOKIE_NAME": "__Host-lux" if is_https else "lux",
        "SESSION_COOKIE_SECURE": is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": timedelta(days=30),
        "MAX_CONTENT_LENGTH": LARGEST_BODY_BYTES,
        "WTF_CSRF_TIME_LIMIT": None,
        # The last one signs, all are accepted: a form that was open during a rotation still arrives.
        "WTF_CSRF_SECRET_KEY": list(reversed(settings.session_secrets)),
        "WTF_CSRF_SSL_STRICT": False,
    }


def _watch_errors(app: Flask, settings: Settings) -> None:
    redactor = Redactor.knowing(settings.secrets())
    counters = SharedCounters(settings.lux_data_dir / "metrics-2")
    app.extensions["lux_counters"] = counters
    init_traffic(app, counters)
    init_app_log(app, settings.app_log, redactor)
    init_error_logger(
        app,
        database_url=str(app.config["SQLALCHEMY_DATABASE_URI"]).replace("postgresql+psycopg://", "postgresql://", 1),
        folder=settings.lux_data_dir / "spool" / "errors",
        redactor=redactor,
        release=release_name(Path(app.root_path)),
        counters=counters,
    )


def _name_request() -> None:
    given = request.headers.get("X-Request-ID", "")
    is_usable = given.isascii() and given.replace("-", "").isalnum() and 8 <= len(given) <= 64
    g.request_id = given if is_usable else secrets.token_hex(8)


def _compress(response: Response) -> Response:
    is_fit = response.mimetype in COMPRESSED and not response.is_streamed and not response.direct_passthrough
    if not is_fit or "Content-Encoding" in response.headers or (response.content_length or 0) < SMALLEST_TO_COMPRESS:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings.quality("gzip") > 0:
        response.set_data(gzip_padded(response.get_data()))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _secure(response: Response) -> ResponseReturnValue:
    headers = response.headers
    present = {name.lower() for name, _ in headers}
    for name, value in USUAL_HEADERS.items():
        if name.lower() not in present:
            headers.add(name, value)
    if request.is_secure or current_app.config["LUX"].is_production:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if "request_id" in g:
        headers.setdefault("X-Request-ID", g.request_id)
    return response
