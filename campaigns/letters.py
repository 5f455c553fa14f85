"""Writes one message per recipient from a compiled campaign: merge values, signed links, Message-ID."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.ledger import ClaimedMessage
from campaigns.mail_links import CLICK, OPEN, PREFERENCES, UNSUBSCRIBE, VIEW, make_link_signer
from campaigns.merge_values import ATTRIBUTES, read_merge_values
from campaigns.rendering import (
    DATE,
    LINK,
    MESSAGE_ID,
    PIXEL,
    TO,
    CompiledCampaign,
)
from campaigns.rendering import PREFERENCES as PREFERENCES_MARK
from campaigns.rendering import UNSUBSCRIBE as UNSUBSCRIBE_MARK
from campaigns.rendering import VIEW as VIEW_MARK
from lib.mail_headers import encode_bare_address

NEEDS_ATTRIBUTES = ("company",)


class LetterWriter:
    """Everything that is the same for all recipients, looked up once."""

    def __init__(self, campaign_id: int, compiled: CompiledCampaign, seed: str, secrets: Sequence[str]) -> None:
        self.sender = compiled.brand.sender_address
        self._names = {tag.name for tag in compiled.merge_tags}
        self._template = compiled.make_template(f"{campaign_id}:email:lux")
        self._sign = make_link_signer(tuple(secrets)).make_signing()
        self._numbers = [(f"{LINK}{link.number}", link.number) for link in compiled.links]
        self._seed = seed

    @property
    def wants_attributes(self) -> bool:
        """Whether the contact's attributes have to be read for this mail."""
        return any(name.startswith(ATTRIBUTES) or name in NEEDS_ATTRIBUTES for name in self._names)

    def write(self, message: ClaimedMessage, date: bytes) -> bytes:
        """The message, ready for the wire. Raises HeaderRefused."""
        values = self._values_of(message) if self._names else {}
        return self._template.render(values, self.make_marks(message.id, message.address, date))

    def make_marks(self, message_id: int, address: str, date: bytes) -> dict[str, bytes]:
        """The places that LUX fills itself."""
        sign = self._sign
        marks = {name: sign(CLICK, message_id, number) for name, number in self._numbers}
        marks[TO] = encode_bare_address(address)
        marks[DATE] = date
        marks[MESSAGE_ID] = f"{message_id}.{self._seed}".encode("ascii")
        marks[PIXEL] = sign(OPEN, message_id, 0)
        marks[UNSUBSCRIBE_MARK] = sign(UNSUBSCRIBE, message_id, 0)
        marks[PREFERENCES_MARK] = sign(PREFERENCES, message_id, 0)
        marks[VIEW_MARK] = sign(VIEW, message_id, 0)
        return marks

    def _values_of(self, message: ClaimedMessage) -> dict[str, str]:
        return read_merge_values(
            email=message.address,
            name=message.name,
            phone=message.phone,
            source=message.source,
            attributes=message.attributes or {},
        )
