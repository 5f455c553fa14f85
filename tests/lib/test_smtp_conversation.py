"""The talk with a mail server, read aloud."""

from __future__ import annotations

import pytest

from lib.smtp_conversation import Conversation, ProtocolBroken, Stage


def begin(*, can_pipeline: bool = True) -> tuple[Conversation, bytes]:
    conversation = Conversation(can_pipeline=can_pipeline)
    return conversation, conversation.begin(b"a@b.c", b"d@e.f", b"Subject: x\r\n\r\nbody\r\n")


def test_with_pipelining_the_envelope_leaves_in_one_write() -> None:
    conversation, first = begin()
    assert first == b"MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n"
    out, reply = conversation.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert out.endswith(b"body\r\n.\r\n") and reply is None and conversation.is_in_doubt
    out, reply = conversation.receive(b"250 2.0.0 Ok: queued as ABC\r\n")
    assert reply is not None and reply.is_accepted and conversation.is_idle and not conversation.is_in_doubt


def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    conversation, first = begin(can_pipeline=False)
    assert first == b"MAIL FROM:<a@b.c>\r\n"
    assert conversation.receive(b"250 ok\r\n")[0] == b"RCPT TO:<d@e.f>\r\n"
    assert conversation.receive(b"250 ok\r\n")[0] == b"DATA\r\n"
    assert conversation.receive(b"354 go\r\n")[0].endswith(b".\r\n")


def test_replies_may_arrive_a_byte_at_a_time() -> None:
    conversation, _ = begin()
    replies = b"250-first\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"
    verdicts = [conversation.receive(bytes([octet]))[1] for octet in replies]
    assert verdicts[-1] is not None and verdicts[-1].code == 250 and verdicts[:-1] == [None] * (len(replies) - 1)


def test_a_refused_recipient_is_the_verdict_and_the_next_message_resets() -> None:
    conversation, _ = begin()
    out, reply = conversation.receive(b"250 ok\r\n550 5.1.1 no such user\r\n554 no valid recipients\r\n")
    assert out == b"" and reply is not None and (reply.stage, reply.code) == (Stage.RCPT, 550)
    assert conversation.begin(b"a@b.c", b"g@h.i", b"").startswith(b"RSET\r\nMAIL FROM")


def test_a_server_that_wants_a_body_after_refusing_gets_an_empty_one() -> None:
    conversation, _ = begin()
    out, reply = conversation.receive(b"250 ok\r\n450 later\r\n354 go\r\n")
    assert out == b".\r\n" and reply is None and not conversation.is_in_doubt
    _, reply = conversation.receive(b"554 no valid recipients\r\n")
    assert reply is not None and reply.code == 450


def test_421_ends_the_connection_at_any_stage() -> None:
    conversation, _ = begin()
    _, reply = conversation.receive(b"421 4.7.0 slow down\r\n")
    assert reply is not None and reply.code == 421 and conversation.is_closing and conversation.is_idle


@pytest.mark.parametrize("rubbish", [b"hello\r\n", b"25\r\n", b"250?ok\r\n", b"\r\n", b"x" * 70_000])
def test_a_server_that_speaks_no_smtp_is_found_out(rubbish: bytes) -> None:
    conversation, _ = begin()
    with pytest.raises(ProtocolBroken):
        conversation.receive(rubbish)
