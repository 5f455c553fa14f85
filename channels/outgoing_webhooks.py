"""Posts one signed body to an outside address, once: where a person pointed LUX, and nowhere else.

Only https to addresses that belong to everybody; the name is looked up once and exactly what was checked is called; no
redirect is followed; an answer has so many seconds and so many bytes. In development a receiver on this machine may be
called too, by its plain name. Knows no database and no policy: what to do about an outcome is the caller's.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from lib.clean_text import decode_bytes, one_line
from lib.public_addresses import is_loopback, is_public
from lib.webhook_signature import sign

DELIVERED = "delivered"
DEFERRED = "deferred"
FAILED = "failed"
UNKNOWN = "unknown"

LONGEST_URL = 2000
LONGEST_TEXT = 300
# An answer that asks for another time, and one that says there is nobody any more.
WORTH_ANOTHER_TRY = (408, 425, 429)
GONE = 410
LONGEST_WAIT_SECONDS = 3600
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62}\.?)+")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")

Resolve = Callable[[str, int], Sequence[str]]


class AddressRefused(Exception):
    """LUX does not call this address; the text says why in one sentence."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one attempt may take, in all and until a connection stands, and how much of an answer is read."""

    lookup_seconds: float = 5.0
    connect_seconds: float = 5.0
    total_seconds: float = 15.0
    answer_bytes: int = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart. `is_local`: the machine itself, in development."""

    scheme: str
    host: str
    port: int
    path: str
    is_local: bool


@dataclass(frozen=True, slots=True)
class WebhookParcel:
    """What goes out: the body letter by letter, its id over all attempts, the secrets that sign it."""

    url: str
    message_id: str
    body: bytes
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WebhookOutcome:
    """How one attempt ended: delivered, deferred (try again), failed (never again), unknown (nobody can tell)."""

    state: str
    text: str
    status: int | None = None
    address: str = ""
    wait_seconds: int | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver says that nobody listens there any more."""
        return self.status == GONE


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Every address of a name, as the machine's resolver gives them. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def read_address(url: str, *, allow_local: bool) -> Target:
    """The address taken apart; `allow_local` is development. Raises AddressRefused."""
    if len(url) > LONGEST_URL or not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise AddressRefused("This is not a web address that LUX can call. It begins with https:// and has no blanks.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused("This is not a web address that LUX can call: look at its host and port.") from error
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("https", "http") or not host:
        raise AddressRefused("The address has to begin with https:// and name a host.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(
            "An address with a user or a password in it is not called; the signature proves who calls."
        )
    if parts.fragment or port == 0:
        raise AddressRefused("Leave out what stands behind the # sign, and a port of 0.")
    is_local = allow_local and host in LOOPBACK_NAMES
    if not is_local:
        _check_host(host, parts.scheme)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path, is_local)


def post_webhook(
    parcel: WebhookParcel, *, allow_local: bool, resolve: Resolve = resolve_name, limits: Limits | None = None
) -> WebhookOutcome:
    """One attempt. Never raises: an address that is refused is a failure with its reason."""
    limits = limits or Limits()
    address = ""
    with _Clock(limits.total_seconds) as clock:
        try:
            target = read_address(parcel.url, allow_local=allow_local)
            address = _find_address(target, resolve, limits)
            connection = _connect(target, address, limits, clock)
        except AddressRefused as refusal:
            return WebhookOutcome(FAILED, refusal.text)
        except ssl.SSLCertVerificationError as error:
            return WebhookOutcome(DEFERRED, f"Its certificate is not trusted: {error.verify_message}.", address=address)
        except (OSError, ValueError) as error:
            return WebhookOutcome(DEFERRED, f"Nobody answered: {_say(error)}.", address=address)
        with contextlib.closing(connection):
            return _exchange(connection, target, parcel, address, limits)


class _Clock:
    """Ends a connection when its time is up: a receiver that says a letter a second outlasts a socket's timeouts."""

    def __init__(self, seconds: float) -> None:
        self._connected: socket.socket | None = None
        self._is_up = False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Clock:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, connected: socket.socket) -> None:
        """From now on this is the connection that ends."""
        self._connected = connected
        if self._is_up:
            self._end()

    def _end(self) -> None:
        self._is_up = True
        with contextlib.suppress(OSError):
            if self._connected is not None:
                # Past the TLS layer, which must not be touched from another thread.
                socket.socket.shutdown(self._connected, socket.SHUT_RDWR)


def _check_host(host: str, scheme: str) -> None:
    if scheme != "https":
        raise AddressRefused("The address has to begin with https://, so that nobody reads along.")
    if ":" in host or re.fullmatch(r"[\d.]+", host):
        if not is_public(host):
            raise AddressRefused("This is an address of this machine or of a private network. LUX does not call those.")
    elif not _HOST_NAME.fullmatch(host) or "." not in host or host.endswith((".local", ".localhost", ".internal")):
        raise AddressRefused("The host has to be a public name, such as hooks.zapier.com.")


def _find_address(target: Target, resolve: Resolve, limits: Limits) -> str:
    """The one address that is called. One that must not be called among a name's many refuses them all."""
    found = _resolve_in_time(target, resolve, limits.lookup_seconds)
    if target.is_local:
        local = [one for one in found if is_loopback(one)]
        if not local or len(local) != len(found):
            raise AddressRefused("This name does not mean this machine.")
        return local[0]
    if not all(is_public(one) for one in found):
        raise AddressRefused(f"{target.host} leads to this machine or a private network. LUX does not call those.")
    return found[0]


def _resolve_in_time(target: Target, resolve: Resolve, seconds: float) -> Sequence[str]:
    """The machine's resolver knows no time limit; a look-up that hangs is left behind."""
    found: list[str] = []
    trouble: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(resolve(target.host, target.port))
        except UnicodeError:
            trouble.append(OSError("the name cannot be looked up"))
        except OSError as error:
            trouble.append(error)

    thread = threading.Thread(target=look_up, name="lux-lookup", daemon=True)
    thread.start()
    thread.join(seconds)
    if trouble or not found:
        raise trouble[0] if trouble else TimeoutError("the name was not found in time")
    return list(found)


def _connect(target: Target, address: str, limits: Limits, clock: _Clock) -> http.client.HTTPConnection:
    """A connection to exactly this address; the certificate has to be the name's."""
    plain = socket.create_connection((address, target.port), timeout=limits.connect_seconds)
    plain.settimeout(limits.total_seconds)
    if target.scheme == "http":
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.sock = plain
        clock.watch(plain)
        return connection
    context = ssl.create_default_context()
    secured = context.wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)
    clock.watch(secured)
    try:
        secured.do_handshake()
    except (OSError, ValueError):
        secured.close()
        raise
    secure = http.client.HTTPSConnection(target.host, target.port, context=context)
    secure.sock = secured
    return secure


def _exchange(
    connection: http.client.HTTPConnection, target: Target, parcel: WebhookParcel, address: str, limits: Limits
) -> WebhookOutcome:
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "LUX",
        "Accept": "*/*",
        "Connection": "close",
        **sign(parcel.secrets, parcel.message_id, int(time.time()), parcel.body),
    }
    try:
        connection.request("POST", target.path, body=parcel.body, headers=headers)
    except (OSError, http.client.HTTPException) as error:
        return WebhookOutcome(DEFERRED, f"The connection broke while LUX was sending: {_say(error)}.", address=address)
    try:
        answer = connection.getresponse()
        return _judge(answer, _read_start(answer, limits.answer_bytes), address)
    except (OSError, http.client.HTTPException) as error:
        said = f"No answer came back, so nobody can tell whether it arrived: {_say(error)}."
        return WebhookOutcome(UNKNOWN, said, address=address)


def _read_start(answer: http.client.HTTPResponse, longest: int) -> str:
    """The first words of an answer; its status counts without them."""
    try:
        raw = answer.read(longest)
    except (OSError, http.client.HTTPException):
        return ""
    return one_line(decode_bytes(raw))[:LONGEST_TEXT]


def _judge(answer: http.client.HTTPResponse, said: str, address: str) -> WebhookOutcome:
    status = answer.status
    if 200 <= status < 300:
        return WebhookOutcome(DELIVERED, said, status, address)
    if 300 <= status < 400:
        place = one_line(answer.headers.get("Location", ""))[:LONGEST_TEXT]
        said = f"The receiver sends on to {place or 'another address'}; LUX follows no redirect. Enter that address."
        return WebhookOutcome(FAILED, said, status, address)
    if status >= 500 or status in WORTH_ANOTHER_TRY:
        return WebhookOutcome(DEFERRED, said, status, address, _read_wait(answer.headers.get("Retry-After", "")))
    return WebhookOutcome(FAILED, said, status, address)


def _read_wait(value: str) -> int | None:
    return min(int(value), LONGEST_WAIT_SECONDS) if re.fullmatch(r"\d{1,6}", value.strip()) else None


def _say(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the time was up"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return one_line(str(said))[:LONGEST_TEXT].rstrip(".")
