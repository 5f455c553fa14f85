"""Every setting of LUX: its name, type, default and meaning; the only reader of the environment.

To add a setting, add a row to SETTINGS and a field of the same name in lower case to Settings.
"""

from __future__ import annotations

import gc
import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from flask import current_app

from errors import SettingInvalid

# Every process of LUX comes by here first. Python's collector would look for rubbish at each 700 new objects: a program
# of many modules is then walked through over and over while it loads, which takes a seventh of its start.
gc.set_threshold(20_000, 10, 10)

# SHA-256 of a password that was once printed in public documentation: it opens nothing here.
PUBLIC_PASSWORD_SHA256 = "33718a26c09dde8b24f3f7328dbf54a5d32d0a712d86d0eac88f134d7ca832a1"  # noqa: S105 - a hash, not a password


@dataclass(frozen=True)
class SettingRow:
    """One line of the table of settings."""

    name: str
    default: str | None
    meaning: str
    is_secret: bool = False


SETTINGS: list[SettingRow] = [
    SettingRow("LUX_ENV", "development", "development or production; production refuses unsafe defaults"),
    SettingRow("HOST", "127.0.0.1", "where gunicorn listens"),
    SettingRow("PORT", "5000", "where gunicorn listens"),
    SettingRow("WEB_WORKERS", "2", "how many gunicorn processes serve pages"),
    SettingRow(
        "WEB_THREADS",
        "8",
        "requests that each gunicorn process works on at once; streams wait on up to 128 threads beside them",
    ),
    SettingRow("PROXY_HOPS", "0", "how many proxies of yours stand in front of gunicorn"),
    SettingRow("LUX_PUBLIC_URL", "http://127.0.0.1:5000", "every absolute link is built from this"),
    SettingRow("LUX_DATA_DIR", "./var", "embedded database, spools, app log, test outbox, generated secrets"),
    SettingRow("DATABASE_URL", None, "PostgreSQL; none: the embedded one in LUX_DATA_DIR", is_secret=True),
    SettingRow("SESSION_SECRET", None, "signs sessions and links; several, comma-separated: rotation", is_secret=True),
    SettingRow("OPENAI_API_KEY", None, "no key: agents and chatbot run on built-in playbooks", is_secret=True),
    SettingRow("OPENAI_BASE_URL", "https://api.openai.com/v1", "any server that speaks OpenAI's protocol"),
    SettingRow("OPENAI_MODEL", "gpt-4o", "the model that agents and chatbot ask"),
    SettingRow("OPENAI_FALLBACK_MODEL", None, "asked when the first model is unknown, busy or ill"),
    SettingRow("AI_DAILY_BUDGET_USD", "5", "reaching it stops model calls; playbooks go on"),
    SettingRow("AI_AGENT_BUDGET_USD", "2", "the most that one agent may cost in a day; then its playbook answers"),
    SettingRow("AI_RUN_BUDGET_USD", "0.50", "the most that one run of an agent may cost; then its playbook answers"),
    SettingRow("ZAPIER_USERNAME", None, "the webhook's Basic user; generated when unset"),
    SettingRow("ZAPIER_PASSWORD", None, "the webhook's Basic password; generated when unset", is_secret=True),
    SettingRow("WEBHOOK_RATE_PER_SECOND", "30", "accepted webhook posts a second and credential"),
    SettingRow("WEBHOOK_BURST", "60", "webhook posts that may come at once before the rate holds"),
    SettingRow("OPERATOR_TOKEN", None, "bearer token for operators", is_secret=True),
    SettingRow("SMTP_URL", None, "smtp:// or smtps:// with user and password; none: the test outbox", is_secret=True),
    SettingRow("BOUNCE_MAILBOX_URL", None, "imaps:// mailbox for bounces and complaints", is_secret=True),
    SettingRow("MAIL_FROM", None, "the sender of every message, such as Anna <anna@example.com>"),
    SettingRow("POSTAL_ADDRESS", None, "the postal address in every message's footer"),
    SettingRow("REPL_ID", None, "sign in with Replit; none: the button is not shown"),
    SettingRow("ISSUER_URL", "https://replit.com/oidc", "the sign-in provider"),
    SettingRow("REPLIT_DOMAINS", None, "the domains under which Replit serves LUX"),
    SettingRow("SIGNUP_DOMAINS", None, "e-mail domains that sign in as viewer without waiting"),
    SettingRow("AUTO_REPAIR", "safe", "off, diagnose or safe"),
    SettingRow("NGINX_ERROR_LOG", "/var/log/nginx/error.log", "log source nginx"),
    SettingRow("GUNICORN_ERROR_LOG", "/var/log/gunicorn/gunicorn.err", "log source gunicorn"),
    SettingRow("SYSTEMD_UNIT", "lux.service", "log source systemd"),
    SettingRow("APP_LOG", None, "log source app; none: LUX_DATA_DIR/logs/app.log"),
    SettingRow("SERVICE_HELPER", "/run/lux-helper.sock", "socket of the service helper, for repairs of units"),
    SettingRow("DEFAULT_PHONE_REGION", "US", "country of phone numbers without a country code"),
    SettingRow("TIMEZONE", "UTC", "time zone of schedules and pages"),
]


@dataclass(frozen=True)
class Settings:
    """The settings as typed values; made once by load_settings()."""

    lux_env: str
    host: str
    port: int
    web_workers: int
    web_threads: int
    proxy_hops: int
    lux_public_url: str
    lux_data_dir: Path
    database_url: str | None
    session_secrets: tuple[str, ...]
    openai_api_key: str | None
    openai_base_url: str
    openai_model: str
    openai_fallback_model: str | None
    ai_daily_budget_usd: float
    ai_agent_budget_usd: float
    ai_run_budget_usd: float
    zapier_username: str | None
    zapier_password: str | None
    webhook_rate_per_second: float
    webhook_burst: int
    operator_token: str | None
    smtp_url: str | None
    bounce_mailbox_url: str | None
    mail_from: str | None
    postal_address: str | None
    repl_id: str | None
    issuer_url: str
    replit_domains: tuple[str, ...]
    signup_domains: tuple[str, ...]
    auto_repair: str
    nginx_error_log: Path
    gunicorn_error_log: Path
    systemd_unit: str
    app_log: Path
    service_helper: Path
    default_phone_region: str
    timezone: str

    @property
    def is_production(self) -> bool:
        return self.lux_env == "production"

    def secrets(self) -> list[str]:
        """Every secret among the settings, for whoever must keep them out of sight; parts of addresses too."""
        found = list(self.session_secrets)
        for row in SETTINGS:
            value = getattr(self, row.name.lower(), None)
            if row.is_secret and isinstance(value, str):
                found.append(value)
                found.append(unquote(urlsplit(value).password or "") if "://" in value else "")
        return [secret for secret in found if secret]

    def masked(self) -> list[tuple[str, str, str]]:
        """Rows of (name, value, meaning) with secrets masked, in the order of SETTINGS."""
        rows = []
        for row in SETTINGS:
            value = _shown(self, row)
            rows.append((row.name, value, row.meaning))
        return rows


def load_settings(environ: Mapping[str, str] | None = None, *, dotenv: Path | None = Path(".env")) -> Settings:
    """Reads the environment (and .env in development) once.

    Raises SettingInvalid, one sentence that names the setting.
    """
    raw: dict[str, str] = {}
    source = dict(os.environ if environ is None else environ)
    if dotenv is not None and source.get("LUX_ENV", "development") != "production" and dotenv.is_file():
        raw.update({key: value for key, value in dotenv_values(dotenv).items() if value is not None})
    raw.update(source)
    values = {row.name: (raw.get(row.name) or "").strip() or row.default for row in SETTINGS}
    if not (raw.get("LUX_PUBLIC_URL") or "").strip():
        domains = _words(values, "REPLIT_DOMAINS")
        seen_at = f"https://{domains[0]}" if domains else own_address(values["HOST"] or "", values["PORT"] or "")
        values["LUX_PUBLIC_URL"] = seen_at
    return _checked(values)


def own_address(host: str, port: str) -> str:
    """Where a browser on this machine finds LUX when nobody said where it is seen from outside."""
    named = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared
    return f"http://{named}:{port if port.isdigit() else 0}"


def current_settings() -> Settings:
    """The settings of the app that is running now."""
    settings: Settings = current_app.config["LUX"]
    return settings


def allow_plain_http_on_loopback() -> None:
    """Lets oauthlib speak http; for development, with a provider on this very machine (replit_provider checks that)."""
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


def child_environment(**changes: str) -> dict[str, str]:
    """The environment for a process that LUX starts: its own, with the changes laid over it."""
    return {**os.environ, **changes}


def _checked(values: Mapping[str, str | None]) -> Settings:
    env = _one_of(values, "LUX_ENV", ("development", "production"))
    data_dir = Path(values["LUX_DATA_DIR"] or "./var").expanduser().resolve()
    port = _whole(values, "PORT", 1, 65535)
    public_url = _url(values, "LUX_PUBLIC_URL", ("http", "https")).rstrip("/")
    if env == "production":
        _refuse_unsafe_production(values, public_url)
    _refuse_public_password(values)
    return Settings(
        lux_env=env,
        host=values["HOST"] or "",
        port=port,
        web_workers=_whole(values, "WEB_WORKERS", 1, 64),
        web_threads=_whole(values, "WEB_THREADS", 1, 256),
        proxy_hops=_whole(values, "PROXY_HOPS", 0, 10),
        lux_public_url=public_url,
        lux_data_dir=data_dir,
        database_url=_database_url(values),
        session_secrets=_session_secrets(values, env, data_dir),
        openai_api_key=values["OPENAI_API_KEY"],
        openai_base_url=_url(values, "OPENAI_BASE_URL", ("http", "https")),
        openai_model=values["OPENAI_MODEL"] or "",
        openai_fallback_model=values["OPENAI_FALLBACK_MODEL"],
        ai_daily_budget_usd=_number(values, "AI_DAILY_BUDGET_USD", 0),
        ai_agent_budget_usd=_number(values, "AI_AGENT_BUDGET_USD", 0),
        ai_run_budget_usd=_number(values, "AI_RUN_BUDGET_USD", 0),
        zapier_username=values["ZAPIER_USERNAME"],
        zapier_password=values["ZAPIER_PASSWORD"],
        webhook_rate_per_second=_number(values, "WEBHOOK_RATE_PER_SECOND", 0.1),
        webhook_burst=_whole(values, "WEBHOOK_BURST", 1, 100_000),
        operator_token=values["OPERATOR_TOKEN"],
        smtp_url=_optional_url(values, "SMTP_URL", ("smtp", "smtps")),
        bounce_mailbox_url=_optional_url(values, "BOUNCE_MAILBOX_URL", ("imap", "imaps")),
        mail_from=_header_text(values, "MAIL_FROM"),
        postal_address=values["POSTAL_ADDRESS"],
        repl_id=values["REPL_ID"],
        issuer_url=_issuer(values, env),
        replit_domains=_words(values, "REPLIT_DOMAINS"),
        signup_domains=_words(values, "SIGNUP_DOMAINS"),
        auto_repair=_one_of(values, "AUTO_REPAIR", ("off", "diagnose", "safe")),
        nginx_error_log=Path(values["NGINX_ERROR_LOG"] or ""),
        gunicorn_error_log=Path(values["GUNICORN_ERROR_LOG"] or ""),
        systemd_unit=values["SYSTEMD_UNIT"] or "",
        app_log=Path(values["APP_LOG"]) if values["APP_LOG"] else data_dir / "logs" / "app.log",
        service_helper=Path(values["SERVICE_HELPER"] or ""),
        default_phone_region=_region(values),
        timezone=_zone(values),
    )


def _refuse_unsafe_production(values: Mapping[str, str | None], public_url: str) -> None:
    if not values["SESSION_SECRET"]:
        raise SettingInvalid("SESSION_SECRET", "must be set in production.")
    if not public_url.startswith("https://"):
        raise SettingInvalid("LUX_PUBLIC_URL", "must begin with https:// in production.")
    if not values["DATABASE_URL"]:
        raise SettingInvalid("DATABASE_URL", "must be set in production.")


def _refuse_public_password(values: Mapping[str, str | None]) -> None:
    for row in SETTINGS:
        value = values[row.name]
        if value and hashlib.sha256(value.encode()).hexdigest() == PUBLIC_PASSWORD_SHA256:
            raise SettingInvalid(row.name, "is a password that was printed in public documentation; choose another.")


def _session_secrets(values: Mapping[str, str | None], env: str, data_dir: Path) -> tuple[str, ...]:
    given = _words(values, "SESSION_SECRET")
    if given:
        if env == "production" and any(len(secret) < 32 for secret in given):
            raise SettingInvalid("SESSION_SECRET", "must have at least 32 characters.")
        return given
    return (_generated_secret(data_dir / "session_secret"),)


def _generated_secret(path: Path) -> str:
    """The secret kept in LUX_DATA_DIR, made by whichever process comes first."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        if not path.exists():
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return path.read_text().strip()
    except OSError as error:
        complaint = f"cannot be written: {error.strerror or error} ({path.parent})."
        raise SettingInvalid("LUX_DATA_DIR", complaint) from error


def _database_url(values: Mapping[str, str | None]) -> str | None:
    url = values["DATABASE_URL"]
    if url is None:
        return None
    match = re.match(r"^(postgres|postgresql)(\+psycopg)?://", url)
    if not match:
        raise SettingInvalid("DATABASE_URL", "must begin with postgres:// or postgresql://.")
    return "postgresql://" + url[match.end() :]


def _optional_url(values: Mapping[str, str | None], name: str, schemes: tuple[str, ...]) -> str | None:
    return _url(values, name, schemes) if values[name] is not None else None


def _url(values: Mapping[str, str | None], name: str, schemes: tuple[str, ...]) -> str:
    value = values[name] or ""
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good:
        raise SettingInvalid(name, f"must be an address that begins with {' or '.join(s + '://' for s in schemes)}.")
    return value


def _issuer(values: Mapping[str, str | None], env: str) -> str:
    issuer = _url(values, "ISSUER_URL", ("http", "https")).rstrip("/")
    parts = urlsplit(issuer)
    is_here = env == "development" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not is_here:
        raise SettingInvalid("ISSUER_URL", "must begin with https://; http is for a provider on this machine only.")
    return issuer


def _header_text(values: Mapping[str, str | None], name: str) -> str | None:
    value = values[name]
    if value and re.search(r"[\r\n\x00\u0085\u2028\u2029]", value):
        raise SettingInvalid(name, "must be one line.")
    return value


def _one_of(values: Mapping[str, str | None], name: str, choices: tuple[str, ...]) -> str:
    value = values[name] or ""
    if value not in choices:
        raise SettingInvalid(name, f"must be {', '.join(choices[:-1])} or {choices[-1]}, not {value!r}.")
    return value


def _whole(values: Mapping[str, str | None], name: str, least: int, most: int) -> int:
    value = values[name] or ""
    if not re.fullmatch(r"\d{1,9}", value) or not least <= int(value) <= most:
        raise SettingInvalid(name, f"must be a whole number from {least} to {most}, not {value!r}.")
    return int(value)


def _number(values: Mapping[str, str | None], name: str, least: float) -> float:
    value = values[name] or ""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) or float(value) < least:
        raise SettingInvalid(name, f"must be a number of at least {least}, not {value!r}.")
    return float(value)


def _words(values: Mapping[str, str | None], name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in (values[name] or "").split(",") if word.strip())


def _region(values: Mapping[str, str | None]) -> str:
    value = (values["DEFAULT_PHONE_REGION"] or "").upper()
    if not re.fullmatch(r"[A-Z]{2}", value):
        raise SettingInvalid("DEFAULT_PHONE_REGION", "must be a country code of two letters, such as US.")
    return value


def _zone(values: Mapping[str, str | None]) -> str:
    value = values["TIMEZONE"] or ""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingInvalid("TIMEZONE", f"must be a time zone such as Europe/Berlin, not {value!r}.") from error
    return value


def _shown(settings: Settings, row: SettingRow) -> str:
    field = {"SESSION_SECRET": "session_secrets"}.get(row.name, row.name.lower())
    value: Any = getattr(settings, field)
    if value is None or value == ():
        return "(none)"
    if row.is_secret:
        return "••••••••"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
