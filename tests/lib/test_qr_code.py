"""QR codes: a picture made here, readable by any camera."""

from __future__ import annotations

from urllib.parse import unquote
from xml.etree import ElementTree

from lib.qr_code import qr_code_address


def test_it_is_a_picture_that_needs_nothing_from_elsewhere() -> None:
    address = qr_code_address("otpauth://totp/LUX:ada@lumen.example?secret=ABCDEFGH&issuer=LUX")
    kind, _, content = address.partition(",")
    picture = ElementTree.fromstring(unquote(content))  # noqa: S314 - made here
    assert kind.startswith("data:image/svg+xml")
    assert picture.tag.endswith("svg")
    assert "href" not in content
    assert "script" not in content


def test_two_texts_have_two_pictures() -> None:
    assert qr_code_address("a") != qr_code_address("b")
