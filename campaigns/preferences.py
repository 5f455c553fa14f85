"""What the holder of a link in a mail may see and change about themselves: whether they get more."""

from __future__ import annotations

from dataclasses import dataclass

from audience.consent import BY_THE_PERSON, grant_consent, is_suppressed
from campaigns.mail_brand import get_mail_brand
from campaigns.tracking import TokenTarget, read_token
from extensions import db
from lib.email_addresses import masked_address
from models import Contact

WORDING = "“Subscribe again” pressed on the preference page of a message"


@dataclass(frozen=True)
class Preferences:
    """As the page shows them. The address is masked: a forwarded message must not give it away."""

    address: str
    company: str
    is_subscribed: bool
    is_test: bool
    can_return: bool


def find_preferences(token: str) -> Preferences | None:
    """What this link may show, or None for a link that LUX did not make. Changes nothing."""
    target = read_token(token)
    return _preferences(target) if target is not None else None


def subscribe_again(token: str) -> Preferences | None:
    """The person comes back, by their own press of a button; commits. None for a link that LUX did not make."""
    target = read_token(token)
    if target is None:
        return None
    if target.contact_id is not None:
        grant_consent(
            target.contact_id, method="preference page", source="message", actor=BY_THE_PERSON, wording=WORDING
        )
        db.session.commit()
    return _preferences(target)


def _preferences(target: TokenTarget) -> Preferences:
    contact = db.session.get(Contact, target.contact_id) if target.contact_id is not None else None
    brand = get_mail_brand()
    return Preferences(
        address=masked_address(target.address),
        company=brand.company or brand.sender_name,
        is_subscribed=_gets_messages(target, contact),
        is_test=target.is_test,
        can_return=contact is not None,
    )


def _gets_messages(target: TokenTarget, contact: Contact | None) -> bool:
    """A test may go to somebody who is no contact: they get no more as soon as their address is suppressed."""
    if is_suppressed(target.address):
        return False
    return contact.subscription == "subscribed" if contact is not None else target.is_test
