"""One connection to a mail server: opened, encrypted by policy and signed in by smtplib, then handed to a session."""

from __future__ import annotations

import smtplib
import socket
import ssl
from base64 import b64encode
from dataclasses import dataclass, field

from channels.base import ChannelError, ChannelRefused, ChannelUnavailable, Parcel
from channels.smtp_address import SmtpAddress
from lib.smtp_conversation import Conversation

LONGEST_OPENING_SECONDS = 30.0


@dataclass(slots=True)
class Connection:
    """One open connection and the message on it."""

    socket: socket.socket
    conversation: Conversation
    takes_utf8: bool
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    parcel: Parcel | None = None
    deadline: float = 0.0
    is_watched_for_writing: bool = False


def open_connection(address: SmtpAddress, context: ssl.SSLContext) -> Connection:
    """Connects, encrypts by policy, signs in. Raises ChannelUnavailable or ChannelRefused with the server's words."""
    client: smtplib.SMTP | None = None
    timeout = min(address.timeout_seconds, LONGEST_OPENING_SECONDS)
    try:
        if address.is_tls:
            client = smtplib.SMTP_SSL(address.host, address.port, timeout=timeout, context=context)
        else:
            client = smtplib.SMTP(address.host, address.port, timeout=timeout)
        client.ehlo_or_helo_if_needed()
        if not address.is_tls and address.starttls != "never":
            _start_tls(client, address, context)
        if address.user:
            _sign_in(client, address)
        if client.sock is None:
            raise ChannelUnavailable("The mail server closed the connection.")
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation = Conversation(can_pipeline=client.has_extn("pipelining"))
        return Connection(client.sock, conversation, client.has_extn("smtputf8"))
    except smtplib.SMTPResponseException as error:
        _hang_up(client)
        raise ChannelUnavailable(_words(error), error.smtp_code) from error
    except ssl.SSLError as error:
        _hang_up(client)
        raise ChannelUnavailable(f"No secure connection to the mail server: {error.reason or error}.") from error
    except (OSError, smtplib.SMTPException) as error:
        _hang_up(client)
        raise ChannelUnavailable(f"No connection to the mail server: {error}.") from error
    except ChannelError:
        _hang_up(client)
        raise


def _start_tls(client: smtplib.SMTP, address: SmtpAddress, context: ssl.SSLContext) -> None:
    if client.has_extn("starttls"):
        client.starttls(context=context)
        client.ehlo()
    elif address.starttls == "required":
        raise ChannelUnavailable("The mail server offers no STARTTLS, and SMTP_URL requires it.")


def _sign_in(client: smtplib.SMTP, address: SmtpAddress) -> None:
    if not isinstance(client.sock, ssl.SSLSocket) and not address.is_loopback:
        raise ChannelRefused("The password is not sent over a connection that is not encrypted.")
    try:
        _log_in(client, address.user or "", address.password or "")
    except smtplib.SMTPAuthenticationError as error:
        if 500 <= error.smtp_code < 600:
            raise ChannelRefused(_words(error), error.smtp_code) from error
        raise
    except smtplib.SMTPNotSupportedError as error:
        raise ChannelRefused(f"The mail server offers no way to sign in: {error}.") from error


def _log_in(client: smtplib.SMTP, user: str, password: str) -> None:
    """smtplib knows the methods, but only passwords in ASCII; PLAIN takes UTF-8 (RFC 4616)."""
    if (user + password).isascii():
        client.login(user, password)
        return
    secret = b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
    code, text = client.docmd("AUTH", f"PLAIN {secret}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, text)


def _words(error: smtplib.SMTPResponseException) -> str:
    said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
    return f"The mail server says {error.smtp_code} {said[:300]}"


def _hang_up(client: smtplib.SMTP | None) -> None:
    if client is not None:
        client.close()
