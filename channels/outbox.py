"""The test outbox: without SMTP_URL each message becomes a file in LUX_DATA_DIR/outbox, for a person to read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from hashlib import sha256
from pathlib import Path

from channels.base import DEFERRED, SENT, ChannelUnavailable, Outcome, Parcel
from errors import NotFound

SUFFIX = ".eml"
HEAD_BYTES = 16 * 1024
AT_ONCE = 100


@dataclass(frozen=True)
class OutboxMessage:
    """One message of the test outbox as its list shows it."""

    name: str
    written_at: datetime
    to: str
    subject: str
    size_bytes: int


class OutboxSession:
    """Writes each message as a file, whole or not at all. The same message again is the same file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: list[Outcome] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ChannelUnavailable(f"The test outbox cannot be written: {error.strerror}.") from error

    @property
    def free_count(self) -> int:
        return AT_ONCE - len(self._done)

    @property
    def in_flight_count(self) -> int:
        return len(self._done)

    @property
    def connection_limit(self) -> int:
        return AT_ONCE

    def start(self, parcel: Parcel) -> None:
        name = f"{parcel.key:012d}-{sha256(parcel.recipient.encode()).hexdigest()[:8]}{SUFFIX}"
        draft = self._folder / f".{name}.{os.getpid()}"
        try:
            draft.write_bytes(parcel.content)
            draft.replace(self._folder / name)
        except OSError as error:
            draft.unlink(missing_ok=True)
            self._done.append(Outcome(parcel.key, DEFERRED, None, f"The test outbox cannot be written: {error}."))
            return
        self._done.append(Outcome(parcel.key, SENT, 250, "2.0.0 written to the test outbox", name))

    def poll(self, timeout_seconds: float) -> list[Outcome]:
        done, self._done = self._done, []
        return done

    def wake(self) -> None:
        """Nothing waits here."""

    def close(self) -> list[Outcome]:
        return self.poll(0)


def list_outbox_messages(folder: Path, limit: int = 50) -> list[OutboxMessage]:
    """The newest messages of the test outbox."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = [
            (entry.stat().st_mtime, entry.name, entry.stat().st_size)
            for entry in entries
            if entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)
        ]
    return [_listed(folder / name, at, size) for at, name, size in sorted(found, reverse=True)[:limit]]


def get_outbox_message(folder: Path, name: str) -> EmailMessage:
    """One message of the test outbox, parsed. Raises NotFound."""
    path = folder / name
    if not name.endswith(SUFFIX) or name != Path(name).name or name.startswith(".") or not path.is_file():
        raise NotFound("There is no such message in the test outbox.")
    return message_from_bytes(path.read_bytes(), policy=policy.default)


def _listed(path: Path, at: float, size: int) -> OutboxMessage:
    with path.open("rb") as file:
        head = BytesHeaderParser(policy=policy.default).parsebytes(file.read(HEAD_BYTES))
    return OutboxMessage(
        path.name, datetime.fromtimestamp(at, UTC), str(head.get("to", "")), str(head.get("subject", "")), size
    )
