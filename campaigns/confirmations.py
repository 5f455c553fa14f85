"""Double opt-in: new contacts are asked by mail for their own yes, each once, and nobody is subscribed without it.

A clock's job writes down whom to ask, the worker sends; a mail that the server did not take is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, formataddr

from flask import current_app
from sqlalchemy import select, text, update

from audience.consent import BY_THE_PERSON, grant_consent, is_suppressed, withdraw_consent
from audience.merges import find_survivor_id
from campaigns.bounces import note_bounce
from campaigns.channel_states import find_pause_reason
from campaigns.mail_brand import MailBrand, get_mail_brand
from campaigns.mail_links import CONFIRM, CONFIRM_PATH, make_link_signer
from channels import find_channel
from channels.base import FAILED, SENT, ChannelError, Outcome, Parcel, Session, send
from config import current_settings
from errors import Conflict, NotFound
from extensions import db, defer
from lib.email_addresses import masked_address
from models import Confirmation, Contact

BATCH = 50
MOST_ATTEMPTS = 6
WORDING = "“Yes, write to me” pressed on the confirmation page"
# Parcels of a session tell each other apart by their key; campaigns use the ids of messages.
FIRST_KEY = 2 * 10**11
_WRITE_DOWN = text("""
    INSERT INTO confirmations (contact_id)
    SELECT id FROM contacts WHERE subscription = 'pending'
        AND NOT EXISTS (SELECT 1 FROM confirmations WHERE contact_id = contacts.id)
    ON CONFLICT DO NOTHING
""")
_IS_DUE = text("SELECT EXISTS (SELECT 1 FROM confirmations WHERE sent_at IS NULL AND next_try_at <= now())")
# The next try is written before the mail leaves: a worker that dies asks again later, never in a circle.
_TAKE = text("""
    WITH due AS (
        SELECT contact_id FROM confirmations WHERE sent_at IS NULL AND next_try_at <= now()
        ORDER BY next_try_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    UPDATE confirmations SET attempts = attempts + 1,
        next_try_at = CASE WHEN attempts + 1 < :attempts THEN now() + interval '2 minutes' * power(4, attempts) END
    FROM due, contacts
    WHERE confirmations.contact_id = due.contact_id AND contacts.id = due.contact_id
    RETURNING contacts.id, contacts.email, contacts.subscription
""")


@dataclass(frozen=True)
class Question:
    """What the confirmation page shows. The address is masked: a forwarded mail must not give it away."""

    address: str
    company: str
    state: str

    @property
    def is_open(self) -> bool:
        return self.state == "pending"


def ask_for_confirmations() -> int:
    """Writes down who is to be asked and wakes the worker when somebody is; a job of the clock. How many are new."""
    found = db.session.execute(_WRITE_DOWN)
    if db.session.scalar(_IS_DUE):
        defer(db.session, "send_confirmations", lock="confirmations")
    db.session.commit()
    return int(found.rowcount)  # type: ignore[attr-defined]  # an INSERT's result has it


def send_confirmations() -> int:
    """Sends what is due until nothing is, or the mail server is in the way; a task of the worker. How many went."""
    brand, channel = get_mail_brand(), find_channel("email")
    if channel is None or not brand.sender_address or find_pause_reason("email") is not None:
        db.session.rollback()
        return 0
    sent = 0
    while people := _take():
        try:
            session = channel.open(current_settings(), connections=1)
        except ChannelError as error:
            _note_trouble([contact_id for contact_id, _ in people], error.text)
            return sent
        try:
            sent += sum(_send_one(session, brand, contact_id, address) for contact_id, address in people)
        finally:
            session.close()
    return sent


def find_question(token: str) -> Question | None:
    """What a link asks, or None for one that LUX did not make. Changes nothing."""
    contact = _find_contact(token)
    return _question(contact) if contact is not None else None


def confirm(token: str) -> Question | None:
    """The person says yes; commits. Who has left in the meantime stays away: an old mail brings nobody back."""
    contact = _find_contact(token)
    if contact is None:
        return None
    if contact.subscription == "pending" and not is_suppressed(contact.email):
        grant_consent(contact.id, method="double_opt_in", source="confirmation", actor=BY_THE_PERSON, wording=WORDING)
        done = update(Confirmation).where(Confirmation.contact_id == contact.id)
        db.session.execute(done.values(confirmed_at=datetime.now(UTC), next_try_at=None))
    db.session.commit()
    return _question(contact)


def decline(token: str) -> Question | None:
    """The person says that it was not them, or no; commits."""
    contact = _find_contact(token)
    if contact is None:
        return None
    if contact.subscription == "pending":
        said = "“It was not me” pressed on the confirmation page"
        withdraw_consent(contact.id, method="double_opt_in", source="confirmation", actor=BY_THE_PERSON, wording=said)
    db.session.commit()
    return _question(contact)


def ask_again(contact_id: int) -> None:
    """Has the question sent once more; commits. Raises NotFound, and Conflict for who is not waiting to confirm."""
    contact = db.session.get(Contact, contact_id)
    if contact is None:
        raise NotFound("There is no such contact.")
    if contact.subscription != "pending":
        raise Conflict("This contact is not waiting to confirm.")
    row = db.session.get(Confirmation, contact_id) or Confirmation(contact_id=contact_id)
    row.attempts, row.sent_at, row.trouble, row.next_try_at = 0, None, None, datetime.now(UTC)
    db.session.add(row)
    defer(db.session, "send_confirmations", lock="confirmations")
    db.session.commit()


def find_confirmation(contact_id: int) -> Confirmation | None:
    """When a contact was asked, and what came of it."""
    return db.session.get(Confirmation, contact_id)


def _take() -> list[tuple[int, str]]:
    """The next people to ask. Who confirmed or left meanwhile is taken too, and left alone from then on."""
    rows = db.session.execute(_TAKE, {"most": BATCH, "attempts": MOST_ATTEMPTS}).all()
    wanted = [(row.id, row.email) for row in rows if row.subscription == "pending" and not is_suppressed(row.email)]
    left = {row.id for row in rows} - {contact_id for contact_id, _ in wanted}
    if left:
        db.session.execute(update(Confirmation).where(Confirmation.contact_id.in_(left)).values(next_try_at=None))
    db.session.commit()
    db.session.remove()
    return wanted if wanted or not rows else _take()


def _send_one(session: Session, brand: MailBrand, contact_id: int, address: str) -> bool:
    content = _write(brand, contact_id, address)
    db.session.remove()  # no connection of the pool is held while the mail server is spoken to
    try:
        outcome = send(session, Parcel(FIRST_KEY + contact_id, brand.sender_address, address, content))
    except ChannelError as error:
        _note_trouble([contact_id], error.text)
        return False
    return _note_outcome(contact_id, address, outcome)


def _note_outcome(contact_id: int, address: str, outcome: Outcome) -> bool:
    values: dict[str, object] = {"trouble": f"{outcome.code or ''} {outcome.text}".strip()[:500]}
    if outcome.state == SENT:
        values = {"sent_at": datetime.now(UTC), "trouble": None, "next_try_at": None}
    elif outcome.state == FAILED:
        values["next_try_at"] = None
        note_bounce(outcome, contact_id, address)
    db.session.execute(update(Confirmation).where(Confirmation.contact_id == contact_id).values(**values))
    db.session.commit()
    return outcome.state == SENT


def _note_trouble(contact_ids: list[int], trouble: str) -> None:
    rows = update(Confirmation).where(Confirmation.contact_id.in_(contact_ids))
    db.session.execute(rows.values(trouble=trouble[:500]))
    db.session.commit()


def _write(brand: MailBrand, contact_id: int, address: str) -> bytes:
    token = make_link_signer(current_settings().session_secrets).sign(CONFIRM, contact_id)
    values = {
        "company": brand.company or brand.sender_name or brand.sender_domain,
        "url": brand.public_url + CONFIRM_PATH + token,
        "postal_address": brand.postal_address,
    }
    message = EmailMessage()
    message["From"] = formataddr((brand.sender_name, brand.sender_address))
    message["To"] = address
    message["Subject"] = f"Please confirm: may {values['company']} write to you?"
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<confirm.{contact_id}.{token[:12]}@{brand.sender_domain}>"
    message.set_content(_render("mail/confirm.txt", values))
    message.add_alternative(_render("mail/confirm.html", values), subtype="html")
    return message.as_bytes(policy=SMTP if address.isascii() else SMTPUTF8)


def _render(template: str, values: dict[str, str]) -> str:
    return current_app.jinja_env.get_template(template).render(**values)


def _find_contact(token: str) -> Contact | None:
    signed = make_link_signer(current_settings().session_secrets).read(token)
    if signed is None or signed.kind != CONFIRM:
        return None
    own = db.session.scalar(select(Contact).where(Contact.id == signed.row_id))
    return own or db.session.scalar(select(Contact).where(Contact.id == find_survivor_id(signed.row_id)))


def _question(contact: Contact) -> Question:
    brand = get_mail_brand()
    return Question(masked_address(contact.email), brand.company or brand.sender_name, contact.subscription)
