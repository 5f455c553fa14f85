"""A mail server that speaks real SMTP on a free port of loopback and misbehaves on request.

    with SmtpServer() as server:            # takes everything
        server.behave = lambda letter: "450 at RCPT" if letter.recipient.startswith("slow") else ""

`behave` is asked once per message, at RCPT, and names one of the faults below. Connection-wide faults are arguments.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

FAULTS = {
    "450 at RCPT": b"450 4.2.1 Mailbox busy, try later",
    "550 at RCPT": b"550 5.7.1 Refused by policy",
    "5.1.1 at RCPT": b"550 5.1.1 No such user here",
    "452 after body": b"452 4.3.1 Out of space",
    "554 after body": b"554 5.6.0 This looks like spam",
    "421 at MAIL": b"421 4.7.0 Too much mail, slow down",
    "421 after body": b"421 4.7.0 Shutting down",
}


@dataclass
class Letter:
    """A message on its way or received."""

    sender: str = ""
    recipient: str = ""
    raw: bytes = b""
    connection: int = 0

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)


@dataclass
class SmtpServer:
    """Listens from `with` on. `letters` are the messages that it said 250 to, and those it took and never answered."""

    behave: Callable[[Letter], str] = lambda letter: ""
    refuse_sign_in: bool = False
    user: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    speaks_tls_at_once: bool = False
    pipelining: bool = True
    greeting: bytes = b"220 fake.example ESMTP"
    greeting_delay_seconds: float = 0.0
    reply_delay_seconds: float = 0.0
    most_connections: int | None = None
    letters: list[Letter] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0

    def __enter__(self) -> SmtpServer:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):  # a close alone leaves a waiting accept() listening
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def url(self, options: str = "timeout=5&connections=5", user: str = "") -> str:
        scheme = "smtps" if self.speaks_tls_at_once else "smtp"
        return f"{scheme}://{user}127.0.0.1:{self.port}?{options}"

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
            self._sockets.add(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with self._lock:
            self.open_now += 1
            is_too_many = self.most_connections is not None and self.open_now > self.most_connections
        try:
            if is_too_many:
                connection.sendall(b"421 4.7.0 Too many connections\r\n")
                return
            _Talk(self, connection, number).hold()
        except (OSError, _Gone):
            pass  # a client that hangs up, or a fault that was asked for
        finally:
            with self._lock:
                self.open_now -= 1
            with contextlib.suppress(OSError):
                connection.close()


class _Gone(Exception):
    """This connection ends here."""


class _Talk:
    def __init__(self, server: SmtpServer, connection: socket.socket, number: int) -> None:
        self.server = server
        self.connection = connection
        self.number = number
        self.buffer = b""
        self.letter = Letter(connection=number)
        self.fault = ""
        self.is_encrypted = False

    def hold(self) -> None:
        time.sleep(self.server.greeting_delay_seconds)
        if self.server.speaks_tls_at_once:
            self._encrypt()
        self._say(self.server.greeting)
        while True:
            line = self._line().decode("utf-8", "replace")
            self.server.commands.append(line)
            self._answer(line)

    def _answer(self, line: str) -> None:
        verb = line.split(" ")[0].upper()
        if verb in ("EHLO", "HELO"):
            self._say_extensions()
        elif verb == "STARTTLS" and self.server.tls is not None:
            self._say(b"220 Go ahead")
            self._encrypt()
        elif verb == "AUTH":
            self._sign_in(line)
        elif verb == "MAIL":
            self.letter = Letter(sender=_inside(line), connection=self.number)
            self.pending_mail = True
            # The fault of a message is known only with its recipient; a server with no pipelining answers at once.
            self._say(b"250 2.1.0 Ok") if not self._mail_fault() else self._quit(b"421 4.7.0 Slow down")
        elif verb == "RCPT":
            self._take_recipient(line)
        elif verb == "DATA":
            self._take_body()
        elif verb in ("RSET", "NOOP"):
            self.fault = ""
            self._say(b"250 2.0.0 Ok")
        elif verb == "QUIT":
            self._quit(b"221 2.0.0 Bye")
        else:
            self._say(b"502 5.5.2 What?")

    def _mail_fault(self) -> bool:
        """421 at MAIL is asked for by a behave() that names it for a letter without a recipient."""
        return self.server.behave(self.letter) == "421 at MAIL"

    def _take_recipient(self, line: str) -> None:
        self.letter.recipient = _inside(line)
        self.fault = self.server.behave(self.letter)
        if self.fault == "421 at RCPT":
            self._quit(FAULTS["421 at MAIL"])
        if self.fault.endswith("at RCPT"):
            self._say(FAULTS[self.fault])
        else:
            self._say(b"250 2.1.5 Ok")

    def _take_body(self) -> None:
        if self.fault.endswith("at RCPT"):
            self._say(b"554 5.5.1 No valid recipients")
            return
        if self.fault == "disconnect at DATA":
            raise _Gone
        if self.fault == "hang at DATA":
            self._hang()
        self._say(b"354 End data with <CR><LF>.<CR><LF>")
        if self.fault == "disconnect in body":
            self.connection.recv(1000)
            raise _Gone
        while b"\r\n.\r\n" not in self.buffer:
            self._fill()
        raw, _, self.buffer = self.buffer.partition(b"\r\n.\r\n")
        self.letter.raw = raw.replace(b"\r\n..", b"\r\n.") + b"\r\n"
        if self.fault in FAULTS:
            self._say(FAULTS[self.fault])
            if FAULTS[self.fault].startswith(b"421"):
                raise _Gone
            return
        self.server.letters.append(self.letter)
        if self.fault == "disconnect after body":
            raise _Gone
        if self.fault == "hang after body":
            self._hang()
        self._say(f"250 2.0.0 Ok: queued as {len(self.server.letters):08X}".encode())

    def _hang(self) -> None:
        self.server._stopped.wait()
        raise _Gone

    def _say_extensions(self) -> None:
        lines = [b"fake.example"]
        if self.server.pipelining:
            lines.append(b"PIPELINING")
        if self.server.tls is not None and not self.is_encrypted:
            lines.append(b"STARTTLS")
        if self.server.user or self.server.refuse_sign_in:
            lines.append(b"AUTH PLAIN")
        lines.append(b"ENHANCEDSTATUSCODES")
        for line in lines[:-1]:
            self.connection.sendall(b"250-" + line + b"\r\n")
        self._say(b"250 " + lines[-1])

    def _sign_in(self, line: str) -> None:
        given = base64.b64decode(line.split(" ")[2]).split(b"\0")
        wanted = [b"", (self.server.user or "").encode(), (self.server.password or "").encode()]
        if self.server.refuse_sign_in or given != wanted:
            self._say(b"535 5.7.8 Username and Password not accepted")
        else:
            self._say(b"235 2.7.0 Accepted")

    def _encrypt(self) -> None:
        if self.server.tls is None:
            raise _Gone
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.server._sockets.add(self.connection)
        self.is_encrypted = True
        self.buffer = b""

    def _say(self, reply: bytes) -> None:
        if self.server.reply_delay_seconds:
            time.sleep(self.server.reply_delay_seconds)
        self.connection.sendall(reply + b"\r\n")

    def _quit(self, reply: bytes) -> None:
        self._say(reply)
        raise _Gone

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            self._fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _fill(self) -> None:
        arrived = self.connection.recv(65536)
        if not arrived:
            raise _Gone
        self.buffer += arrived


def _inside(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]
