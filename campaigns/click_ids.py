"""Which click led somebody to a site: a signed id that a tracked link adds for the sites that report conversions.

Only links to sites that a person has named get one, and only for visitors who have not asked not to be tracked.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import select

from campaigns.mail_links import CLICK_ID, make_link_signer
from config import current_settings
from extensions import db
from models import ConversionRules, Message, TrackedLink

PARAMETER = "lux_click"


def origin_of(url: str) -> str:
    """Scheme, host and port of an address as browsers name it in Origin; empty where there is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    is_usual = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{port}")


def list_sites() -> list[str]:
    """The origins of the sites that report conversions."""
    rules = db.session.get(ConversionRules, 1)
    return [str(site) for site in rules.sites] if rules is not None else []


def add_click_id(url: str, message: Message, link: TrackedLink) -> str:
    """The address with the id of this click, where its site reports conversions; else as it is."""
    if origin_of(url) not in list_sites():
        return url
    parts = urlsplit(url)
    token = make_link_signer(current_settings().session_secrets).sign(CLICK_ID, message.id, link.position)
    query = f"{parts.query}&{PARAMETER}={token}" if parts.query else f"{PARAMETER}={token}"
    return urlunsplit(parts._replace(query=query))


def find_clicked_message(token: str) -> Message | None:
    """The message whose link carried the id; None for anything that was not signed here."""
    signed = make_link_signer(current_settings().session_secrets).read(token)
    if signed is None or signed.kind != CLICK_ID:
        return None
    found: Message | None = db.session.scalar(select(Message).where(Message.id == signed.row_id))
    return found
