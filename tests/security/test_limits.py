"""Bodies have limits before anybody parses them (Bugsink 2.0.5, GHSA-5x67-j5xg-c5gj): size, depth, parts, packing."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator

import pytest

from app import LARGEST_BODY_BYTES
from lib.payloads import MOST_BYTES
from tests.security.house import FROM_OUTSIDE, House

ZAPIER = "/api/webhook/zapier-contact"
JSON_ACTS = ("/api/", "/chatbot/")
A_PIECE = 64 * 1024


class EndlessBody(io.RawIOBase):
    """A body that never ends, and counts what was read of it."""

    def __init__(self, begin: bytes = b"") -> None:
        self.begin = begin
        self.read_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "a whole body without an end was asked for"
        assert self.read_bytes <= LARGEST_BODY_BYTES + 2 * A_PIECE, "read past every limit"
        piece = (self.begin + b"a" * size)[:size] if self.read_bytes == 0 else b"a" * min(size, A_PIECE)
        self.read_bytes += len(piece)
        return piece

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # a buffer of bytes is all that comes
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def list_acts(house: House) -> Iterator[tuple[str, str]]:
    """Every address that takes a body, with somebody whom it lets in; who signs out is back for the next one."""
    for rule in house.app.url_map.iter_rules():
        if "POST" in (rule.methods or set()):
            yield house.address_of(rule), "zapier" if rule.rule == ZAPIER else "owner"
            house.contents.restore(house.contents.changed_among(("user_sessions",)))


def list_turns(house: House, turn: int, turns: int) -> Iterator[tuple[str, str]]:
    """Every act that reads JSON; of the others, whose bodies one door reads, those whose turn this is."""
    for number, (address, principal) in enumerate(list_acts(house)):
        if address.startswith(JSON_ACTS) or number % turns == turn:
            yield address, principal


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_no_act_reads_a_body_without_end(house: House, content_type: str) -> None:
    begin = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' if "multipart" in content_type else b"a="
    for number, (address, principal) in enumerate(list_acts(house)):
        for visitor in ("nobody", principal) if number % 3 == 0 else (principal,):
            body = EndlessBody(begin)
            endless = {"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_TYPE": content_type, **FROM_OUTSIDE}
            answer = house.ask(visitor, "POST", address, environ_overrides=endless)
            assert answer.status_code < 500, (address, visitor)
            assert body.read_bytes <= LARGEST_BODY_BYTES + A_PIECE, (address, visitor, body.read_bytes)


def test_a_body_that_says_it_is_huge_is_refused_unread(house: House) -> None:
    for address, principal in list_acts(house):
        body = EndlessBody()
        huge = {"wsgi.input": body, "CONTENT_LENGTH": str(10**12), **FROM_OUTSIDE}
        assert house.ask(principal, "POST", address, environ_overrides=huge).status_code < 500, address
        assert body.read_bytes <= A_PIECE, (address, body.read_bytes)


DEEP = {
    "arrays": b"[" * 200_000,
    "closed arrays": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 40_000,
    "closed objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "a person far down": b'{"a":' * 13 + b'{"email":"x@example.com"}' + b"}" * 13,
    "a long number": b'{"email":"x@example.com","n":' + b"9" * 100_000 + b"}",
    "a huge exponent": b'{"email":"x@example.com","n":1e999999}',
    "many keys": json.dumps({f"k{number}": 1 for number in range(20_000)}).encode(),
    "one key many times": b"{" + b'"email":"x@example.com",' * 9_000 + b'"z":1}',
    "a deep form": b"&".join(b"a" + b"[b]" * 60 + b"=1" for _ in range(900)),
    "many items": json.dumps([{"email": f"x{number}@example.com"} for number in range(5_000)]).encode(),
}


@pytest.mark.parametrize("shape", DEEP)
def test_no_depth_or_number_brings_an_address_down(house: House, shape: str) -> None:
    for address, principal in list_turns(house, list(DEEP).index(shape), len(DEEP)):
        answer = house.ask(principal, "POST", address, data=DEEP[shape], content_type="application/json")
        assert answer.status_code < 500, address
    kept = house.ask("zapier", "POST", ZAPIER, data=DEEP[shape], content_type="application/json")
    assert kept.status_code in (200, 201, 400, 413, 422)


BOMBS = {
    "gzip": gzip.compress(b'{"email":"x@example.com","a":"' + b"a" * 50_000_000 + b'"}'),
    "deflate": zlib.compress(b" " * 50_000_000),
    "br": b"\x5b\xff\xff\xff\x2f" * 1000,
    "zstd": b"\x28\xb5\x2f\xfd" + b"\0" * 1000,
    "gzip, gzip, gzip": gzip.compress(gzip.compress(b"\0" * 10_000_000)),
}


@pytest.mark.parametrize("encoding", BOMBS)
def test_no_compressed_body_is_unpacked(house: House, encoding: str) -> None:
    packed = BOMBS[encoding][:MOST_BYTES]
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    assert house.ask("zapier", "POST", ZAPIER, data=packed, headers=headers).status_code == 415
    for address, principal in list_turns(house, list(BOMBS).index(encoding), len(BOMBS)):
        answer = house.ask(principal, "POST", address, data=packed, headers=headers)
        assert answer.status_code < 500, address
        assert len(answer.get_data()) < 2_000_000


def test_a_form_of_very_many_fields_is_refused(house: House) -> None:
    fields = "&".join(f"block-{number}-text=x" for number in range(20_000)).encode()
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' for _ in range(2_000)) + b"--x--"
    forms = ((fields, "application/x-www-form-urlencoded"), (parts, "multipart/form-data; boundary=x"))
    for number, (address, principal) in enumerate(list_acts(house)):
        body, content_type = forms[number % 2]
        answer = house.ask(principal, "POST", address, data=body, content_type=content_type)
        assert answer.status_code < 500, address
