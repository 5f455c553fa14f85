"""The talk with a mail server about one message, as bytes in and bytes out: no socket, no clock, no thread.

It begins after the greeting and sign-in. With pipelining MAIL, RCPT and DATA leave in one write (RFC 2920); what each
answer means for the message is decided here, so that a test can read it aloud.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MAX_REPLY_BYTES = 64 * 1024
MAX_TEXT_CHARACTERS = 500
DOT = b".\r\n"


class Stage(Enum):
    """How far the message is; from BODY on the server may have taken it."""

    IDLE = "idle"
    RESET = "reset"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    EMPTY_BODY = "empty body"


class ProtocolBroken(Exception):
    """The server says something that is no SMTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer of the server and the stage that it answers."""

    stage: Stage
    code: int
    text: str

    @property
    def is_accepted(self) -> bool:
        return self.stage is Stage.BODY and 200 <= self.code < 300


class Conversation:
    """One connection's talk. `begin` a message, feed what arrives to `receive`, until it gives a Reply."""

    def __init__(self, *, can_pipeline: bool) -> None:
        self._can_pipeline = can_pipeline
        self._buffer = b""
        self._expected: list[Stage] = []
        self._unsent: list[tuple[Stage, bytes]] = []
        self._content = b""
        self._verdict: Reply | None = None
        self._needs_reset = False
        self.is_closing = False

    @property
    def is_idle(self) -> bool:
        return not self._expected

    @property
    def is_in_doubt(self) -> bool:
        """Whether the whole body was given out and not answered: from here on nobody knows."""
        return bool(self._expected) and self._expected[0] is Stage.BODY

    def begin(self, sender: bytes, recipient: bytes, content: bytes, *, parameters: bytes = b"") -> bytes:
        """The first bytes to write for a message. `content` is ready for the wire, without the final dot."""
        commands = [(Stage.RESET, b"RSET\r\n")] if self._needs_reset else []
        commands += [
            (Stage.MAIL, b"MAIL FROM:<" + sender + b">" + parameters + b"\r\n"),
            (Stage.RCPT, b"RCPT TO:<" + recipient + b">\r\n"),
            (Stage.DATA, b"DATA\r\n"),
        ]
        self._content = content
        self._verdict = None
        self._needs_reset = False
        if self._can_pipeline:
            self._expected = [stage for stage, _ in commands]
            return b"".join(command for _, command in commands)
        (stage, first), *self._unsent = commands
        self._expected = [stage]
        return first

    def receive(self, arrived: bytes) -> tuple[bytes, Reply | None]:
        """What to write next, and the verdict on the message once it is known and the line is free again.

        Raises ProtocolBroken when the server does not speak SMTP.
        """
        self._buffer += arrived
        out = b""
        while self._expected:
            reply = self._take_reply()
            if reply is None:
                return out, None
            out += self._answer(reply)
        verdict, self._verdict = self._verdict, None
        return out, verdict

    def _answer(self, reply: Reply) -> bytes:
        if reply.code == 421:
            self.is_closing = True
            self._expected = []
            self._unsent = []
            self._verdict = self._verdict or reply
            return b""
        stage, code = reply.stage, reply.code
        if stage is Stage.DATA and code == 354:
            if self._verdict is not None:  # it wants a body although the recipient was refused
                self._expected = [Stage.EMPTY_BODY]
                return DOT
            self._expected = [Stage.BODY]
            content, self._content = self._content, b""
            return content + (DOT if content.endswith(b"\r\n") else b"\r\n" + DOT)
        is_good = 200 <= code < 300
        if stage is Stage.BODY or (stage in (Stage.MAIL, Stage.RCPT, Stage.DATA) and not is_good):
            self._verdict = self._verdict or reply
        elif stage is Stage.DATA:
            raise ProtocolBroken(f"The server answers DATA with {code}.")
        if stage is not Stage.BODY and self._verdict is not None:
            self._needs_reset = True
            self._unsent = []
        if self._unsent:
            (stage, command), *self._unsent = self._unsent
            self._expected = [stage]
            return command
        return b""

    def _take_reply(self) -> Reply | None:
        """The next whole reply out of the buffer; several lines make one."""
        start = 0
        lines: list[bytes] = []
        while True:
            end = self._buffer.find(b"\n", start)
            if end < 0:
                if len(self._buffer) > MAX_REPLY_BYTES:
                    raise ProtocolBroken("The server's answer does not end.")
                return None
            line = self._buffer[start:end].rstrip(b"\r")
            if len(line) < 3 or not line[:3].isdigit() or line[3:4] not in (b"", b" ", b"-"):
                raise ProtocolBroken("The server's answer is no SMTP reply.")
            lines.append(line)
            start = end + 1
            if line[3:4] != b"-":
                break
        self._buffer = self._buffer[start:]
        text = lines[0][4:] if len(lines) == 1 else b" ".join(line[4:] for line in lines)
        return Reply(self._expected.pop(0), int(lines[-1][:3]), text.decode("utf-8", "replace")[:MAX_TEXT_CHARACTERS])
