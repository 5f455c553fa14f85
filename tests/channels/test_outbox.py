"""The test outbox: each message a file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.base import ChannelUnavailable, Parcel, send
from channels.outbox import OutboxSession, get_outbox_message, list_outbox_messages
from errors import NotFound

CONTENT = b"From: a@b.example\r\nTo: <p@people.example>\r\nSubject: Hello\r\n\r\nBody\r\n"


def test_a_message_becomes_a_file_and_the_same_again_is_the_same_file(tmp_path: Path) -> None:
    session = OutboxSession(tmp_path / "outbox")
    for _ in range(2):
        outcome = send(session, Parcel(7, "a@b.example", "p@people.example", CONTENT))
        assert outcome.state == "sent" and outcome.queue_id
    listed = list_outbox_messages(tmp_path / "outbox")
    assert [(one.to, one.subject, one.size_bytes) for one in listed] == [("p@people.example", "Hello", len(CONTENT))]
    assert str(get_outbox_message(tmp_path / "outbox", listed[0].name)["Subject"]) == "Hello"
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [listed[0].name]


@pytest.mark.parametrize("name", ["../secret.eml", "/etc/passwd", ".hidden.eml", "x.txt", "none.eml", "a/b.eml", ""])
def test_no_other_file_can_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.eml").write_bytes(b"Subject: secret\r\n\r\n")
    folder = tmp_path / "outbox"
    folder.mkdir()
    (folder / ".hidden.eml").write_bytes(b"x")
    (folder / "x.txt").write_bytes(b"x")
    with pytest.raises(NotFound):
        get_outbox_message(folder, name)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file in the way")
    with pytest.raises(ChannelUnavailable):
        OutboxSession(tmp_path / "outbox")


def test_a_message_that_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    session = OutboxSession(tmp_path / "outbox")
    (tmp_path / "outbox").rmdir()
    assert send(session, Parcel(7, "a@b.example", "p@people.example", CONTENT)).state == "deferred"


def test_an_outbox_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert list_outbox_messages(tmp_path / "outbox") == []
