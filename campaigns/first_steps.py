"""The five steps that get a new LUX going; their state is read from what is there, skipped ones are noted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from config import current_settings
from errors import NotFound
from extensions import db
from models import Brand, Campaign, Contact, FirstStartStep


@dataclass(frozen=True)
class Step:
    """One step. `state` is done, skipped or open; `endpoint` is the page where it is done."""

    key: str
    title: str
    text: str
    action: str
    endpoint: str
    state: str


STEPS = (
    ("sender", "Set up the sender", "Mail server, sender address and postal address.", "Set up", "channels.index"),
    ("brand", "Tell LUX about your brand", "Voice, offer and links: agents read them.", "Describe", "brand.index"),
    ("contacts", "Bring in contacts", "Import a file, connect Zapier or try sample data.", "Add", "contacts.index"),
    ("draft", "Draft a campaign", "Let Email & CRM write it, or start from a template.", "Draft", "campaigns.index"),
    ("test", "Send a test to yourself", "See it in your own mailbox first.", "Test", "campaigns.index"),
)  # fmt: skip


def list_first_steps() -> list[Step]:
    """The five steps in order, each with its state."""
    noted = {row.key: row.state for row in db.session.scalars(select(FirstStartStep))}
    done = _find_done()
    steps = []
    for key, title, text, action, endpoint in STEPS:
        state = "done" if key in done else noted.get(key, "open")
        steps.append(Step(key, title, text, action, endpoint, state))
    return steps


def note_step(key: str, state: str) -> None:
    """Notes a step as done, skipped or open again; commits. Raises NotFound for an unknown step."""
    if key not in {row[0] for row in STEPS} or state not in ("done", "skipped", "open"):
        raise NotFound("There is no such step.")
    statement = insert(FirstStartStep).values(key=key, state=state)
    db.session.execute(
        statement.on_conflict_do_update(index_elements=["key"], set_={"state": state, "at": datetime.now(UTC)})
    )
    db.session.commit()


def _find_done() -> set[str]:
    settings = current_settings()
    contacts, drafts, brand = db.session.execute(
        select(
            exists().where(Contact.id.is_not(None)),
            exists().where(Campaign.id.is_not(None)),
            exists().where(Brand.id == 1, Brand.company != "", Brand.voice != ""),
        )
    ).one()
    return {
        key
        for key, is_done in (
            ("sender", bool(settings.smtp_url and settings.mail_from and settings.postal_address)),
            ("brand", brand),
            ("contacts", contacts),
            ("draft", drafts),
        )
        if is_done
    }
