"""Uploads are told by their bytes, measured before they are decoded, and hold nothing but pixels afterwards."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageSequence

from lib.pictures import LONGEST_SIDE, MOST_BYTES, NO_SVG, PictureRefused, find_kind, read_upload
from tests.pictures import chunk, claimed_png, encoded, translucent


def refusal(content: bytes) -> str:
    with pytest.raises(PictureRefused) as caught:
        read_upload(content)
    return str(caught.value)


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/png"), ("WEBP", "image/jpeg")],
)
def test_it_takes_the_four_forms_and_gives_one_that_every_mail_program_shows(form: str, media_type: str) -> None:
    picture = read_upload(encoded(form))
    assert (picture.media_type, picture.width, picture.height) == (media_type, 64, 48)
    assert find_kind(picture.thumbnail) == "WEBP"


def test_what_lets_light_through_stays_so() -> None:
    picture = read_upload(translucent("WEBP"))
    assert picture.media_type == "image/png"
    assert Image.open(io.BytesIO(picture.content)).mode == "RGBA"


def test_the_place_where_it_was_taken_and_every_note_are_gone() -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET-NOTE"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    marked = encoded("JPEG", exif=exif, comment=b"SECRET-COMMENT")
    assert b"SECRET-NOTE" in marked and b"SECRET-COMMENT" in marked
    picture = read_upload(marked)
    assert b"SECRET" not in picture.content and b"Exif" not in picture.content
    assert not Image.open(io.BytesIO(picture.content)).getexif()


def test_notes_of_a_png_are_gone() -> None:
    plain = encoded("PNG")
    noted = plain[:33] + chunk(b"tEXt", b"Comment\x00SECRET") + plain[33:]
    assert b"SECRET" not in read_upload(noted).content


def test_a_picture_that_the_camera_turned_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert (read_upload(encoded("JPEG", exif=exif)).width, read_upload(encoded("JPEG", exif=exif)).height) == (48, 64)


@pytest.mark.parametrize(
    "tail", [b"<script>alert(1)</script>", b"PK\x03\x04 a zip behind it", b"<?php system($_GET['c']);?>", b"%PDF-1.7"]
)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_second_file_behind_the_picture_does_not_survive(form: str, tail: bytes) -> None:
    assert tail not in read_upload(encoded(form) + tail).content


def test_a_script_inside_of_a_gif_comment_does_not_survive() -> None:
    assert b"alert" not in read_upload(encoded("GIF", comment=b"*/=1;alert(1)//")).content


@pytest.mark.parametrize(
    "content",
    [
        b"<html><script>alert(1)</script></html>",
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"MZ\x90\x00",
        b"BM" + b"\0" * 60,
        b"II*\x00" + b"\0" * 60,
        b"GIF89",
        b"#!/bin/sh\n",
        b"8BPS\x00\x01",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\0" * 300,
    ],
)
def test_it_refuses_what_is_no_picture_whatever_its_name(content: bytes) -> None:
    assert "PNG, JPEG, WebP or GIF" in refusal(content)


@pytest.mark.parametrize(
    "content",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        b"\xef\xbb\xbf  <SVG onload=alert(1)>",
    ],
)
def test_it_refuses_svg_and_says_why(content: bytes) -> None:
    assert refusal(content) == NO_SVG


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_that_ends_too_early_is_refused(form: str) -> None:
    whole = encoded(form, size=(300, 200))
    for length in (12, 20, 40, len(whole) // 2):
        assert refusal(whole[: min(length, len(whole) - 6)])


def test_it_refuses_bombs_before_they_are_decoded() -> None:
    assert "pixels" in refusal(claimed_png(30_000, 30_000))
    assert "pixels" in refusal(claimed_png(2**31 - 1, 2**31 - 1))
    assert "pixels" in refusal(claimed_png(5_001, 5_000, b"\0" * 1000))


def test_it_refuses_a_header_that_claims_more_than_there_is() -> None:
    assert "damaged" in refusal(claimed_png(4_000, 4_000, b"\0" * 2_000_000))


def test_it_refuses_an_animation_without_end() -> None:
    frames = [Image.new("RGB", (40, 40), (number, 90, 200)) for number in range(130)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=20)
    assert "animation" in refusal(out.getvalue())


def test_an_animation_goes_on_moving() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=80)
    picture = read_upload(out.getvalue())
    assert picture.media_type == "image/gif"
    assert len(ImageSequence.all_frames(Image.open(io.BytesIO(picture.content)))) == 3


def test_it_refuses_too_many_bytes_and_none() -> None:
    assert "At most 8 MB" in refusal(b"\x89PNG\r\n\x1a\n" + b"\0" * MOST_BYTES)
    assert refusal(b"") == "Choose a picture."


def test_a_large_photograph_is_made_smaller() -> None:
    picture = read_upload(encoded("JPEG", size=(4000, 3000)))
    assert (picture.width, picture.height) == (LONGEST_SIDE, 1800)
