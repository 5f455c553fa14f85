"""What every channel promises: a key, a label, an icon, and sessions that carry messages and tell how each ended.

A channel is one small file that makes Outcomes; it knows no campaign, no database and no policy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from config import Settings

ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
QUEUED_AS = re.compile(r"\b(?:queued as|id[= ]|queue id)[ :]*<?([A-Za-z0-9._-]{4,64})>?", re.I)
# RFC 3463: no such mailbox, no such domain, bad syntax, moved without an address, a null MX.
BAD_ADDRESS_CODES = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")

SENT = "sent"
DEFERRED = "deferred"
FAILED = "failed"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message ready to go: `key` is the caller's own number for it, `content` is ready for the wire."""

    key: int
    sender: str
    recipient: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one message ended: sent, deferred (try again), failed (never again), unknown (nobody can tell)."""

    key: int
    state: str
    code: int | None = None
    text: str = ""
    queue_id: str | None = None

    @property
    def is_bad_address(self) -> bool:
        """Whether the server says that this address does not exist."""
        found = ENHANCED.search(self.text)
        return self.state == FAILED and found is not None and found[1] in BAD_ADDRESS_CODES

    @property
    def wants_slower(self) -> bool:
        """Whether the server asks for fewer messages."""
        return self.code == 421

    @property
    def is_connection_trouble(self) -> bool:
        """Whether no answer came at all: the breaker counts these."""
        return self.code is None and self.state in (DEFERRED, UNKNOWN)


class ChannelError(Exception):
    """A channel cannot send at all at the moment. `should_retry`: by itself, later; otherwise a person must act."""

    should_retry = True

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class ChannelUnavailable(ChannelError):
    """Refused, unreachable, hanging, bad certificate: worth another try later."""


class ChannelRefused(ChannelError):
    """The server does not accept our sign-in: trying again would lock the account."""

    should_retry = False


class Session(Protocol):
    """A set of open connections. The caller starts a message only where one is free."""

    @property
    def free_count(self) -> int:
        """How many messages may be started now."""

    @property
    def in_flight_count(self) -> int:
        """How many messages are on the way without an outcome."""

    def start(self, parcel: Parcel) -> None:
        """Begins a message on a free connection; its outcome comes out of `poll`."""

    def poll(self, timeout_seconds: float) -> list[Outcome]:
        """Outcomes that have arrived. Raises ChannelError when no connection is left and none can be opened."""

    @property
    def connection_limit(self) -> int:
        """How many connections there can be at most."""

    def wake(self) -> None:
        """Ends a `poll` that waits, from another thread."""

    def close(self) -> list[Outcome]:
        """Closes the connections; what was still on the way ends as deferred, or unknown where nobody can tell."""


class Channel(Protocol):
    """One way to reach a person."""

    key: str
    label: str
    icon: str

    def open(self, settings: Settings, *, connections: int | None = None) -> Session:
        """Opens a session. Raises ChannelError."""

    def is_test_outbox(self, settings: Settings) -> bool:
        """Whether messages stay on this machine instead of leaving it."""


def send(session: Session, parcel: Parcel) -> Outcome:
    """Sends one message and waits for its outcome. Raises ChannelError."""
    outcomes: list[Outcome] = []
    while not session.free_count:
        session.poll(0.2)
    session.start(parcel)
    while not outcomes:
        outcomes = session.poll(1.0)
    return outcomes[0]


def find_queue_id(text: str) -> str | None:
    """The id under which the next server knows the message, out of its 250 text."""
    found = QUEUED_AS.search(text)
    return found[1] if found else None
