"""Compiled messages: whatever the values are, the bytes are one sound message with exactly our headers."""

from __future__ import annotations

import quopri
import re
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib.mail_headers import encode_address, encode_bare_address, encode_header
from lib.mail_template import MailTemplate, Mark, Piece, Slot
from lib.merge_tags import HeaderRefused, Part
from lib.quoted_printable import encode_text, encode_value

NAMES = ["To", "Subject", "List-Unsubscribe", "MIME-Version", "Content-Type"]


def make_template(subject: list[Piece] | None = None) -> MailTemplate:
    return MailTemplate(
        [
            ("To", ["<", Slot("@to", Mark.READY), ">"]),
            ("Subject", subject or ["Hi ", Slot("name", Part.HEADER, "friend"), "!"]),
            ("List-Unsubscribe", ["<https://mail.example/u/", Slot("@token", Mark.READY), ">"]),
        ],
        text=["Hello ", Slot("name", Part.TEXT, "friend"), ",\n.a dot\n", "long " * 100, "\n"],
        html=["<p>Hé ", Slot("name", Part.HTML, "friend"), "</p>", '<img alt="', Slot("name", Part.ATTRIBUTE), '">'],
    )


def render(name: str) -> bytes:
    return make_template().render({"name": name}, {"@to": b"ann@example.com", "@token": b"T" * 40})


@settings(max_examples=300)
@given(st.text(max_size=300))
@example("." * 200)
@example("é" * 300)
@example("=?utf-8?q?Bcc:_x?=")
@example("--=_lux_part--")
@example(" ")
def test_any_value_gives_one_sound_message(name: str) -> None:
    try:
        raw = render(name)
    except HeaderRefused:
        assert re.search("[\r\n\x0b\x0c\x00\x1c-\x1e\x85\u2028\u2029]", name)
        return
    lines = raw.split(b"\r\n")
    assert b"\n" not in b"".join(lines) and b"\r" not in b"".join(lines)
    assert all(len(line) <= 998 and not line.startswith(b".") for line in lines)
    message = message_from_bytes(raw, policy=policy.default)
    assert list(message.keys()) == NAMES and not message.defects
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert "<p>" in parts[1].get_content() and parts[0].get_content().count("long ") == 100


def test_a_value_arrives_as_it_is() -> None:
    message = message_from_bytes(render("Zoë .O'Neil <zoë@x>"), policy=policy.default)
    assert message["Subject"] == "Hi Zoë .O'Neil <zoë@x>!"
    plain, html = (part.get_content() for part in message.iter_parts())
    assert plain.splitlines()[:2] == ["Hello Zoë .O'Neil <zoë@x>,", ".a dot"]
    assert "Zoë .O&#x27;Neil &lt;zoë@x&gt;" in html


@pytest.mark.parametrize("broken", ["a\rb", "a\nb", "a\r\nBcc: x@y.z", "a\u2028b", "a\u2029b", "a\x85b", "a\x00b"])
@pytest.mark.parametrize("name", ["Subject", "From", "Reply-To", "X-Anything"])
def test_a_line_break_in_any_header_is_refused(name: str, broken: str) -> None:
    with pytest.raises(HeaderRefused):
        encode_header(name, broken)
    with pytest.raises(HeaderRefused):
        encode_address(broken, "ann@example.com", 6)
    with pytest.raises(HeaderRefused):
        encode_address("Ann", f"{broken}@example.com", 6)
    with pytest.raises(HeaderRefused):
        make_template(["Hi ", broken]).render({}, {"@to": b"", "@token": b""})


@pytest.mark.parametrize("name", ["Bad Name", "Bad:", "", "Bcc\r\nX", "É"])
def test_a_header_needs_a_name(name: str) -> None:
    with pytest.raises(HeaderRefused):
        encode_header(name, "value")


@pytest.mark.parametrize(
    "address", ["a b@c.d", "a@b@c.d", "<a@b.c>", "a@b.c,d@e.f", "a@b.c\r\n", '"a"@b.c', "@b.c", "a@"]
)
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(HeaderRefused):
        encode_bare_address(address)


def test_a_domain_in_unicode_is_written_in_ascii() -> None:
    assert encode_bare_address("ann@bücher.example") == b"ann@xn--bcher-kva.example"


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n"), max_size=400))
def test_quoted_printable_gives_the_text_back(text: str) -> None:
    assert quopri.decodestring(encode_text(text)).decode() == text
    spliced = b"x=\r\n" + encode_value(text) + b"=\r\ny"
    assert quopri.decodestring(spliced).decode() == f"x{text}y"
    assert all(len(line) <= 76 for line in spliced.split(b"\r\n"))


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=300))
def test_a_header_gives_its_value_back(value: str) -> None:
    raw = encode_header("Subject", value)
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    read = message_from_bytes(raw + b"\r\n", policy=policy.default)["Subject"]
    assert " ".join(str(read).split()) == " ".join(value.split())
