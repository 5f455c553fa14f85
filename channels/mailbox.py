"""The mailbox to which mail systems write back: BOUNCE_MAILBOX_URL as typed values, and an IMAP conversation with it.

Mails stay where they are; those that were read are marked as seen.
"""

from __future__ import annotations

import contextlib
import imaplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import unquote, urlsplit

from channels.base import ChannelRefused, ChannelUnavailable
from channels.smtp_address import LOOPBACK
from errors import SettingInvalid

PORTS = {"imap": 143, "imaps": 993}
TIMEOUT_SECONDS = 20.0
LARGEST_BYTES = 262_144
TROUBLE = (OSError, imaplib.IMAP4.error)


@dataclass(frozen=True)
class MailboxAddress:
    """A mailbox: `imaps://user:password@host:port/folder`; without a folder the inbox."""

    host: str
    port: int
    user: str
    password: str
    folder: str
    is_tls: bool

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK


def parse_mailbox_url(url: str) -> MailboxAddress:
    """BOUNCE_MAILBOX_URL as values. Raises SettingInvalid, one sentence."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or not parts.username:
        raise SettingInvalid("BOUNCE_MAILBOX_URL", "must look like imaps://user:password@host/folder.")
    return MailboxAddress(
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        folder=unquote(parts.path.strip("/")) or "INBOX",
        is_tls=parts.scheme == "imaps",
    )


class Mailbox:
    """One open conversation; a context. Raises ChannelUnavailable or ChannelRefused with the server's words."""

    def __init__(self, address: MailboxAddress) -> None:
        self._address = address
        self._client = _connect(address)
        try:
            self._sign_in()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def list_unseen(self, most: int) -> list[str]:
        """The numbers (UIDs) of mails that nobody has read, the oldest first."""
        with _in_words():
            _, found = self._client.uid("SEARCH", "UNSEEN")
        return (found[0] or b"").decode("ascii").split()[:most] if found else []

    def read(self, uid: str) -> bytes:
        """The first 256 KB of a mail, which stays unseen."""
        with _in_words():
            _, found = self._client.uid("FETCH", uid, f"(BODY.PEEK[]<0.{LARGEST_BYTES}>)")
        return next((part[1] for part in found if isinstance(part, tuple)), b"")

    def mark_seen(self, uid: str) -> None:
        """Notes in the mailbox that this mail was read."""
        with _in_words():
            self._client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)")

    def close(self) -> None:
        """Says goodbye; trouble on the way out is none."""
        with contextlib.suppress(*TROUBLE):
            self._client.logout()

    def _sign_in(self) -> None:
        address = self._address
        if not address.is_tls and not address.is_loopback:
            with _in_words():
                self._client.starttls(ssl.create_default_context())
        try:
            self._client.login(address.user, address.password)
        except imaplib.IMAP4.abort as error:
            raise ChannelUnavailable(_words(error)) from error
        except imaplib.IMAP4.error as error:
            raise ChannelRefused(f"The mailbox does not take the sign-in: {_words(error)}") from error
        except OSError as error:
            raise ChannelUnavailable(f"No connection to the mailbox: {error}.") from error
        folder = address.folder.replace("\\", "\\\\").replace('"', '\\"')
        with _in_words():
            state, _ = self._client.select(f'"{folder}"')
        if state != "OK":
            raise ChannelRefused(f"The mailbox has no folder {address.folder!r}.")


def _connect(address: MailboxAddress) -> imaplib.IMAP4:
    with _in_words():
        if address.is_tls:
            context = ssl.create_default_context()
            return imaplib.IMAP4_SSL(address.host, address.port, ssl_context=context, timeout=TIMEOUT_SECONDS)
        return imaplib.IMAP4(address.host, address.port, timeout=TIMEOUT_SECONDS)


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except TROUBLE as error:
        raise ChannelUnavailable(f"The mailbox does not answer: {_words(error)}") from error


def _words(error: BaseException) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error) or type(error).__name__
