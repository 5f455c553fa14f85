"""Settings › Channels: how messages leave, who they come from, and what the DNS says about the sender."""

from __future__ import annotations

from flask import Blueprint, render_template

from campaigns.complaint_rate import count_complaints
from channels.sender_domain import check_domain, find_sender_domain
from config import current_settings
from lib.masked_url import masked_url

page = Blueprint("channels", __name__)


@page.get("/")
def index() -> str:
    """The mail channel as it is configured."""
    settings = current_settings()
    return render_template(
        "settings/channels.html",
        mail_from=settings.mail_from,
        postal_address=settings.postal_address,
        smtp=masked_url(settings.smtp_url) if settings.smtp_url else None,
        bounce_mailbox=masked_url(settings.bounce_mailbox_url) if settings.bounce_mailbox_url else None,
        complaints=count_complaints(),
        domain=find_sender_domain(settings.mail_from),
    )


@page.get("/domain")
def domain() -> str:
    """The records of the sender's domain: found and expected side by side, as a fragment."""
    name = find_sender_domain(current_settings().mail_from)
    return render_template("settings/_domain.html", domain=name, records=check_domain(name) if name else [])
