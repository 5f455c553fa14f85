"""The test outbox: what would have been sent, message by message, while no mail server is set up."""

from __future__ import annotations

from email.message import EmailMessage, MIMEPart
from pathlib import Path

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from channels.outbox import get_outbox_message, list_outbox_messages
from config import current_settings
from lib.isolated_page import isolating_headers

page = Blueprint("outbox", __name__)

SHOWN_MESSAGES = 200
SHOWN_SOURCE = 200_000
HEADERS = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post")


@page.get("/")
def index() -> str:
    """The newest messages."""
    messages = list_outbox_messages(_folder(), limit=SHOWN_MESSAGES)
    return render_template("outbox/index.html", messages=messages, is_in_use=current_settings().smtp_url is None)


@page.get("/<name>")
def show(name: str) -> str:
    """One message: its headers, how it looks, its text part, its source."""
    message = get_outbox_message(_folder(), name)
    headers = [(header, str(message[header])) for header in HEADERS if message[header]]
    return render_template(
        "outbox/show.html",
        name=name,
        subject=str(message["Subject"] or "(no subject)"),
        headers=headers,
        text=_part(message, "plain"),
        has_html=bool(_part(message, "html")),
        source=(_folder() / name).read_bytes()[:SHOWN_SOURCE].decode("utf-8", "replace"),
    )


@page.get("/<name>/html")
def show_html(name: str) -> ResponseReturnValue:
    """The HTML part, for an isolated frame."""
    html = _part(get_outbox_message(_folder(), name), "html")
    return Response(html, headers=isolating_headers(has_images=request.args.get("images") == "1"))


def _part(message: EmailMessage, kind: str) -> str:
    """The words of a part. LUX writes UTF-8 only; whatever else lies there is shown as well as it can be."""
    part: MIMEPart | None = message.get_body((kind,))
    payload = part.get_payload(decode=True) if part is not None else b""
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _folder() -> Path:
    return current_settings().lux_data_dir / "outbox"
