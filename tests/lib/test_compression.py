"""Compressed pages are the same pages, and their length says nothing exact."""

import gzip

from lib.compression import gzip_padded


def test_any_reader_of_gzip_gets_the_body_back() -> None:
    for body in (b"", b"x", b"<p>word</p>" * 5000, bytes(range(256)) * 40):
        assert gzip.decompress(gzip_padded(body)) == body


def test_the_same_body_has_many_lengths() -> None:
    assert len({len(gzip_padded(b"<p>word</p>" * 200)) for _ in range(200)}) > 20
