"""E-mail over SMTP_URL, or into the test outbox without one.

smtplib opens, encrypts and signs in; after that the connection is ours: non-blocking, pipelined, one message at a
time each. (Measured in benchmarks/sending.py: smtplib's own sendmail with the same bytes costs several times as much
per message, and its thread waits while the server does.)
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor

from channels.base import (
    DEFERRED,
    FAILED,
    SENT,
    UNKNOWN,
    ChannelError,
    ChannelRefused,
    Outcome,
    Parcel,
    Session,
    find_queue_id,
)
from channels.outbox import OutboxSession
from channels.smtp_address import SmtpAddress, parse_smtp_url
from channels.smtp_connection import Connection, open_connection
from config import Settings
from lib.mail_headers import encode_bare_address
from lib.merge_tags import HeaderRefused
from lib.smtp_conversation import ProtocolBroken, Reply, Stage

RECEIVE_BYTES = 64 * 1024
REOPEN_AFTER_SECONDS = 1.0
CHECK_EVERY_SECONDS = 0.1
SIGN_IN_CODES = (530, 535, 538)


class _Budget:
    """How many connections of this process each mail server has: campaigns sent side by side share its limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_use: Counter[tuple[str, int]] = Counter()

    def take(self, address: SmtpAddress, wanted: int) -> int:
        """What is left of the limit, at least one."""
        place = (address.host, address.port)
        with self._lock:
            given = max(1, min(wanted, address.connections - self._in_use[place]))
            self._in_use[place] += given
        return given

    def give_back(self, address: SmtpAddress, given: int) -> None:
        with self._lock:
            self._in_use[(address.host, address.port)] -= given


BUDGET = _Budget()


class EmailChannel:
    """The channel `email`."""

    key = "email"
    label = "E-mail"
    icon = "mail"

    def open(self, settings: Settings, *, connections: int | None = None) -> Session:
        """A session over SMTP_URL, or the test outbox. Raises ChannelError when the mail server cannot be used."""
        if self.is_test_outbox(settings):
            return OutboxSession(settings.lux_data_dir / "outbox")
        address = parse_smtp_url(settings.smtp_url or "")
        return SmtpSession(address, connections=connections or address.connections)

    def is_test_outbox(self, settings: Settings) -> bool:
        return settings.smtp_url is None


class SmtpSession:
    """Up to `connections` open connections, driven from one thread by one selector."""

    def __init__(self, address: SmtpAddress, *, connections: int, context: ssl.SSLContext | None = None) -> None:
        self._address = address
        connections = BUDGET.take(address, connections)
        self._context = context or ssl.create_default_context()
        self._selector = selectors.DefaultSelector()
        self._waker, self._wakened = socket.socketpair()
        self._waker.setblocking(False)
        self._wakened.setblocking(False)
        self._selector.register(self._wakened, selectors.EVENT_READ, None)
        self._free: deque[Connection] = deque()
        self._busy: dict[int, Connection] = {}
        self._done: list[Outcome] = []
        self._target = self._limit = connections
        self._openers = ThreadPoolExecutor(max_workers=min(connections, 8), thread_name_prefix="smtp-open")
        self._opening: list[Future[Connection]] = []
        self._open_again_at = 0.0
        self._trouble: ChannelError | None = None
        self._check_at = 0.0
        try:
            self._keep(open_connection(self._address, self._context))
        except ChannelError:
            self.close()
            raise
        self._open_more()

    @property
    def free_count(self) -> int:
        return len(self._free)

    @property
    def in_flight_count(self) -> int:
        return len(self._busy) + len(self._done)

    @property
    def connection_limit(self) -> int:
        return self._limit

    def start(self, parcel: Parcel) -> None:
        """Begins a message. Only where `free_count` is not 0."""
        connection = self._free.popleft()
        try:
            recipient, parameters = _encode_recipient(parcel.recipient, takes_utf8=connection.takes_utf8)
            sender = encode_bare_address(parcel.sender)
        except HeaderRefused as error:
            self._free.append(connection)
            self._done.append(Outcome(parcel.key, FAILED, 553, f"5.6.7 {error}"))
            return
        connection.parcel = parcel
        self._busy[connection.socket.fileno()] = connection
        first = connection.conversation.begin(sender, recipient, parcel.content, parameters=parameters)
        self._write(connection, first)

    def poll(self, timeout_seconds: float) -> list[Outcome]:
        """Moves every connection on, and gives the outcomes that are there."""
        now = time.monotonic()
        if now >= self._check_at:
            self._check_at = now + CHECK_EVERY_SECONDS
            self._check(now)
        wait = 0.0 if self._done else min(timeout_seconds, CHECK_EVERY_SECONDS) if self._busy else timeout_seconds
        for key, events in self._selector.select(wait):
            if key.data is None:
                _drain(self._wakened)
                self._collect_opened()
                continue
            if events & selectors.EVENT_WRITE:
                self._flush(key.data)
            if events & selectors.EVENT_READ:
                self._read(key.data)
        if self._trouble is not None and not self._busy and not self._done:
            trouble, self._trouble = self._trouble, None
            raise trouble
        done, self._done = self._done, []
        return done

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # it is awake already, or closed
            self._waker.send(b".")

    def close(self) -> list[Outcome]:
        self._target = 0
        BUDGET.give_back(self._address, self._limit)
        for future in self._opening:
            future.cancel()
            future.add_done_callback(_close_late)
        for connection in list(self._busy.values()):
            self._lose(connection, "LUX closed the connection.")
        for connection in self._free:
            with contextlib.suppress(OSError):  # it is gone already
                connection.socket.send(b"QUIT\r\n")
            connection.socket.close()
        self._free.clear()
        self._openers.shutdown(wait=False, cancel_futures=True)
        self._selector.close()
        self._waker.close()
        self._wakened.close()
        done, self._done = self._done, []
        return done

    # ── opening ──

    def _open_more(self) -> None:
        missing = self._target - len(self._free) - len(self._busy) - len(self._opening)
        for _ in range(missing):
            future = self._openers.submit(open_connection, self._address, self._context)
            future.add_done_callback(lambda _: self.wake())
            self._opening.append(future)

    def _collect_opened(self) -> None:
        for future in [future for future in self._opening if future.done()]:
            self._opening.remove(future)
            try:
                self._keep(future.result())
            except ChannelError as error:
                self._open_again_at = time.monotonic() + REOPEN_AFTER_SECONDS
                alive = len(self._free) + len(self._busy)
                if not error.should_retry or not alive:
                    self._trouble = error
                else:
                    self._target = max(1, alive)  # the server wants no more than these

    def _keep(self, connection: Connection) -> None:
        connection.socket.setblocking(False)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._free.append(connection)

    def _check(self, now: float) -> None:
        self._collect_opened()
        if now >= self._open_again_at and self._trouble is None:
            self._open_more()
        for connection in [c for c in self._busy.values() if now > c.deadline]:
            self._lose(connection, f"The mail server did not answer within {self._address.timeout_seconds:g} s.")

    # ── moving bytes ──

    def _write(self, connection: Connection, data: bytes) -> None:
        connection.deadline = time.monotonic() + self._address.timeout_seconds
        connection.unsent = memoryview(data)
        self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            while connection.unsent:
                sent = connection.socket.send(connection.unsent)
                connection.unsent = connection.unsent[sent:]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            self._watch_writing(connection, True)
            return
        except OSError as error:
            self._lose(connection, f"The connection broke: {error}.")
            return
        if connection.is_watched_for_writing:
            self._watch_writing(connection, False)

    def _watch_writing(self, connection: Connection, is_wanted: bool) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if is_wanted else 0)
        self._selector.modify(connection.socket, events, connection)
        connection.is_watched_for_writing = is_wanted

    def _read(self, connection: Connection) -> None:
        if connection.socket.fileno() < 0:
            return  # closed earlier in this round
        try:
            arrived = connection.socket.recv(RECEIVE_BYTES)
            while isinstance(connection.socket, ssl.SSLSocket) and connection.socket.pending():
                arrived += connection.socket.recv(RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._lose(connection, f"The connection broke: {error}.")
            return
        if not arrived:
            self._lose(connection, "The mail server closed the connection.")
            return
        if connection.parcel is None:
            self._discard(connection)  # a word between two messages is a good-bye
            return
        try:
            out, reply = connection.conversation.receive(arrived)
        except ProtocolBroken as error:
            self._lose(connection, str(error))
            return
        if out:
            self._write(connection, out)
        if reply is not None:
            self._finish(connection, reply)

    # ── ending ──

    def _finish(self, connection: Connection, reply: Reply) -> None:
        parcel = connection.parcel
        if parcel is None:
            return
        if reply.stage is Stage.MAIL and reply.code in SIGN_IN_CODES:
            self._trouble = ChannelRefused(f"The mail server says {reply.code} {reply.text}", reply.code)
            self._done.append(Outcome(parcel.key, DEFERRED, reply.code, reply.text))
        else:
            self._done.append(_outcome_of(parcel.key, reply))
        connection.parcel = None
        del self._busy[connection.socket.fileno()]
        self._free.append(connection)
        if connection.conversation.is_closing:
            self._discard(connection)

    def _lose(self, connection: Connection, reason: str) -> None:
        """The connection is over. With the last byte of the body given out, nobody knows what became of it."""
        parcel = connection.parcel
        if parcel is not None:
            is_in_doubt = connection.conversation.is_in_doubt and not connection.unsent
            self._done.append(Outcome(parcel.key, UNKNOWN if is_in_doubt else DEFERRED, None, reason))
        self._discard(connection)

    def _discard(self, connection: Connection) -> None:
        self._busy.pop(connection.socket.fileno(), None)
        if connection in self._free:
            self._free.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()


def _close_late(future: Future[Connection]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().socket.close()


def _drain(wakened: socket.socket) -> None:
    try:
        while wakened.recv(4096):
            pass
    except BlockingIOError:
        pass  # empty now


def _encode_recipient(address: str, *, takes_utf8: bool) -> tuple[bytes, bytes]:
    """The address as it stands in RCPT, and MAIL's parameters. Raises HeaderRefused where the server cannot take it."""
    encoded = encode_bare_address(address)
    if encoded.isascii():
        return encoded, b""
    if not takes_utf8:
        raise HeaderRefused("The mail server takes no letters beyond ASCII before the @.")
    return encoded, b" SMTPUTF8"


def _outcome_of(key: int, reply: Reply) -> Outcome:
    if reply.is_accepted:
        return Outcome(key, SENT, reply.code, reply.text, find_queue_id(reply.text))
    state = FAILED if 500 <= reply.code < 600 else DEFERRED
    return Outcome(key, state, reply.code, reply.text)


CHANNEL = EmailChannel()
