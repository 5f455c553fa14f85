"""A campaign sent to one address to try it out: the real message over the real channel, outside of the ledger."""

from __future__ import annotations

import secrets
from email.utils import formatdate

from sqlalchemy import select

from accounts.audit import add_audit_entry
from accounts.users import name_of
from campaigns.channel_states import find_pause_reason
from campaigns.mail_brand import get_mail_brand
from campaigns.mail_links import TEST_UNSUBSCRIBE, make_link_signer
from campaigns.merge_values import SAMPLE_VALUES, read_merge_values
from campaigns.rendering import DATE, MESSAGE_ID, PREFERENCES, TO, UNSUBSCRIBE, VIEW, render_campaign
from channels import find_channel
from channels.base import ChannelError, Outcome, Parcel, send
from config import current_settings
from errors import Conflict, InputInvalid, NotFound, Unavailable
from extensions import db
from lib.email_addresses import AddressInvalid, canonical_address
from lib.mail_headers import encode_bare_address
from lib.merge_tags import HeaderRefused
from models import Campaign, Contact, TestMessage


def send_test(campaign_id: int, address: str, *, by_user_id: int | None = None) -> Outcome:
    """Sends the draft as it is now to one address and waits for the outcome; commits before and after.

    Raises NotFound, InputInvalid for the address, Conflict for the content, Unavailable for the mail server.
    """
    try:
        address = canonical_address(address)
    except AddressInvalid as error:
        raise InputInvalid({"address": str(error)}) from error
    campaign = db.session.get(Campaign, campaign_id)
    if campaign is None:
        raise NotFound("There is no such campaign.")
    brand, settings, channel = get_mail_brand(), current_settings(), find_channel(campaign.channel)
    if not brand.sender_address:
        raise Conflict("Set MAIL_FROM first: every message needs a sender.")
    pause_reason = find_pause_reason(campaign.channel)
    if channel is None or pause_reason:
        raise Conflict(f"The channel is paused: {pause_reason or campaign.channel}")
    compiled = render_campaign(campaign.content, brand, is_tracked=False)
    contact = db.session.scalar(select(Contact).where(Contact.email == address))
    values = SAMPLE_VALUES if contact is None else _values_of(contact)
    test = TestMessage(campaign_id=campaign_id, address=address, sent_by_id=by_user_id)
    db.session.add(test)
    subject = f"campaign {campaign_id}"
    add_audit_entry("test_message_sent", actor=name_of(by_user_id), user_id=by_user_id, subject=subject, to=address)
    db.session.commit()
    test_id = test.id
    token = make_link_signer(settings.session_secrets).sign_bytes(TEST_UNSUBSCRIBE, test_id)
    marks = {
        TO: encode_bare_address(address),
        DATE: formatdate().encode("ascii"),
        MESSAGE_ID: f"test.{test_id}.{secrets.token_hex(8)}".encode("ascii"),
        **dict.fromkeys((UNSUBSCRIBE, PREFERENCES, VIEW), token),
    }
    try:
        content = compiled.make_template(f"{campaign_id}:test:lux").render(values, marks)
    except HeaderRefused as error:
        raise Conflict(str(error)) from error
    db.session.remove()  # no connection of the pool is held while the mail server is spoken to
    parcel = Parcel(10**11 + test_id, brand.sender_address, address, content)
    try:
        session = channel.open(settings, connections=1)
        try:
            outcome = send(session, parcel)
        finally:
            session.close()
    except ChannelError as error:
        _note(test_id, "failed", error.text)
        raise Unavailable(error.text) from error
    _note(test_id, outcome.state, f"{outcome.code or ''} {outcome.text}".strip())
    return outcome


def _note(test_id: int, state: str, response: str) -> None:
    test = db.session.get_one(TestMessage, test_id)
    test.state = state
    test.response = response[:500].replace("\x00", "")
    db.session.commit()


def _values_of(contact: Contact) -> dict[str, str]:
    return read_merge_values(
        email=contact.email,
        name=contact.name,
        phone=contact.phone,
        source=contact.source,
        attributes=contact.attributes,
    )
