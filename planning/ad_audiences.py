"""Audiences of ads: how many people of a segment may be named to a network, and their addresses as hashes.

Only who is subscribed and not suppressed is counted or named; an address leaves LUX as its SHA-256 alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from accounts.audit import add_audit_entry
from audience.consent import can_be_written_to
from audience.segment_queries import segment_condition, segment_query
from audience.segments import get_segment
from errors import InputInvalid
from extensions import db
from models import Contact

# Networks find a part of the addresses only, and take no audience below a few hundred.
SMALLEST = 300
ROWS_AT_ONCE = 1000
AGREED = "Say that these people have agreed to this: without it, no address leaves LUX."


def count_audience(segment_id: int) -> int:
    """How many people of the segment an export would name."""
    return count_audiences([segment_id])[segment_id]


def count_audiences(segment_ids: Sequence[int]) -> dict[int, int]:
    """The same for several segments, all in one look through the contacts."""
    if not segment_ids:
        return {}
    counts = [func.count().filter(segment_condition(segment_id)) for segment_id in segment_ids]
    row = db.session.execute(select(*counts).select_from(Contact).where(can_be_written_to())).one()
    return dict(zip(segment_ids, row, strict=True))


def note_export(segment_id: int, *, has_agreed: bool, actor: str, user_id: int | None, peer: str | None) -> None:
    """Writes down who took an audience out of the house, before it leaves; commits.

    Raises InputInvalid where nobody said that the people agreed, or where there is nobody; NotFound.
    """
    segment = get_segment(segment_id)
    if not has_agreed:
        raise InputInvalid({"agreed": AGREED})
    count = count_audience(segment_id)
    if not count:
        raise InputInvalid({"agreed": "Nobody in this segment is subscribed, so there is nobody to name."})
    what = f"the ad audience “{segment.name}”: {count:,} hashed addresses"
    add_audit_entry("contacts_exported", actor=actor, user_id=user_id, peer=peer, what=what)
    db.session.commit()


def stream_audience(segment_id: int) -> Iterator[str]:
    """The hashed addresses as pieces of CSV, as Customer Match takes them; a download outlives its request."""
    query = select(Contact.email).where(Contact.id.in_(segment_query(segment_id)), can_be_written_to())
    engine = db.engine

    def pieces() -> Iterator[str]:
        yield "Email\r\n"
        with Session(engine) as session:
            for address in session.scalars(query.order_by(Contact.id).execution_options(yield_per=ROWS_AT_ONCE)):
                yield f"{hash_address(address)}\r\n"

    return pieces()


def hash_address(address: str) -> str:
    """SHA-256 of the address in lower case without blanks, in hexadecimal digits: what networks compare with."""
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()
