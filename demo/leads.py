"""Leads and look-alikes of the demo: people who came in twice, two of whom were made one, and points for everybody."""

from __future__ import annotations

from sqlalchemy import select, text

from audience.contacts import ContactInput, add_contact
from audience.duplicates import find_duplicates, keep_apart, list_pairs
from audience.merges import merge_now
from audience.scores import Points, change_scoring
from config import current_settings
from demo.team import Team
from extensions import db
from models import Contact

# How many come in a second time, how many of these pairs are made one, how many are said to be two people.
TWICE, MERGED, APART = 40, 8, 2
# They came over some months.
_SET_BACK = (
    "UPDATE contacts SET created_at = created_at - make_interval(days => :days) WHERE id = :id",
    "UPDATE contact_events SET at = at - make_interval(days => :days) WHERE contact_id = :id",
)


def add_leads(team: Team) -> int:
    """Adds the second entries, looks for them, scores everybody; commits each. How many pairs are left to look at."""
    with_phone = select(Contact).where(Contact.phone.is_not(None), Contact.source == "Wholesale enquiry")
    for number, contact in enumerate(db.session.scalars(with_phone.order_by(Contact.id.desc()).limit(TWICE)).all()):
        region = current_settings().default_phone_region
        twin = add_contact(_again(contact, number), wording=None, actor=team.seller.name, region=region)
        for statement in _SET_BACK:
            db.session.execute(text(statement), {"id": twin.id, "days": number * 2 + 1})
        db.session.commit()
    find_duplicates()
    pairs, _ = list_pairs(limit=MERGED + APART)
    found = [(one.pair.first_id, one.pair.second_id) for one in pairs]
    for kept_id, gone_id in found[:MERGED]:
        merge_now(kept_id, gone_id, actor=team.seller.name, user_id=team.seller.id)
    for one_id, other_id in found[MERGED:]:
        keep_apart(one_id, other_id, actor=team.seller.name)
    left = find_duplicates()
    change_scoring(Points(), actor=team.seller.name)
    return left


def _again(contact: Contact, number: int) -> ContactInput:
    """The same person by another way: with a plus in the address, or from home with the same phone."""
    mailbox, _, domain = contact.email.partition("@")
    name, company = contact.name or "", str(contact.attributes.get("company", ""))
    if number % 2 == 0:
        return ContactInput(f"{mailbox}+fair@{domain}", name, source="Tea fair 2026", attributes={"company": company})
    first, _, last = name.lower().partition(" ")
    home = f"{first[:1]}.{last}{contact.id}@home.example".encode("ascii", "ignore").decode()
    return ContactInput(home, name, phone=contact.phone or "", source="Website form")
