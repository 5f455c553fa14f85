"""Where and how mail leaves: SMTP_URL as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from errors import SettingInvalid

STARTTLS_POLICIES = ("required", "offered", "never")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class SmtpAddress:
    """A mail server: `smtp://user:password@host:port?starttls=required&connections=10&timeout=60`."""

    host: str
    port: int
    user: str | None
    password: str | None
    is_tls: bool
    starttls: str
    connections: int
    timeout_seconds: float

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK


def parse_smtp_url(url: str) -> SmtpAddress:
    """SMTP_URL as values. Raises SettingInvalid, one sentence."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if parts.scheme not in PORTS or not parts.hostname:
        raise SettingInvalid("SMTP_URL", "must begin with smtp:// or smtps:// and name a host.")
    for name in query:
        if name not in ("starttls", "connections", "timeout"):
            raise SettingInvalid("SMTP_URL", f"knows starttls, connections and timeout, not {name!r}.")
    user = unquote(parts.username) if parts.username else None
    starttls = query.get("starttls", "required" if user and parts.hostname not in LOOPBACK else "offered")
    if starttls not in STARTTLS_POLICIES:
        raise SettingInvalid("SMTP_URL", "must say starttls=required, offered or never.")
    return SmtpAddress(
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        user=user,
        password=unquote(parts.password or "") if user else None,
        is_tls=parts.scheme == "smtps",
        starttls=starttls,
        connections=int(_number(query, "connections", "10", 1, 200)),
        timeout_seconds=_number(query, "timeout", "60", 0.1, 900),
    )


def _number(query: dict[str, str], name: str, default: str, least: float, most: float) -> float:
    try:
        value = float(query.get(name, default))
    except ValueError:
        value = -1
    if not least <= value <= most:
        raise SettingInvalid("SMTP_URL", f"must say {name}= with a number from {least:g} to {most:g}.")
    return value
