"""Public addresses of pictures: anybody sees them, nothing in them runs, and they are kept for ever."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from creative.assets import archive_asset, asset_url
from creative.drawings import add_drawings, read_design
from lib.networks import EMAIL_HEADER
from tests.makers import make_asset


def path_of(address: str) -> str:
    return "/media/" + address.rsplit("/", 1)[-1]


def make_drawing() -> Any:
    design = read_design({"headline": "Hello", "call": "Go"})
    return add_drawings(design, [EMAIL_HEADER], name="Hello", alt="Hello, go", made_by="Ada")[0]


def test_a_picture_is_seen_without_a_session_and_kept_for_ever(app: Flask, client: FlaskClient) -> None:
    asset = make_asset()
    answer = client.get(path_of(asset_url(asset)))
    assert answer.status_code == 200 and answer.mimetype == "image/png" and answer.data == asset.content
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Content-Disposition"] == 'inline; filename="a-cup-of-tea.png"'
    again = client.get(path_of(asset_url(asset)), headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304 and again.data == b""


@pytest.mark.parametrize("is_svg", [True, False])
def test_a_drawing_has_an_address_as_png_and_one_as_svg_and_runs_nothing(
    app: Flask, client: FlaskClient, is_svg: bool
) -> None:
    answer = client.get(path_of(asset_url(make_drawing(), is_svg=is_svg)))
    assert answer.mimetype == ("image/svg+xml" if is_svg else "image/png")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'") and "script" not in policy


def test_an_archived_picture_is_still_seen_as_sent_mails_show_it(app: Flask, client: FlaskClient) -> None:
    asset = make_asset()
    archive_asset(asset.id)
    assert client.get(path_of(asset_url(asset))).status_code == 200


def test_neighbours_cut_and_foreign_endings_answer_like_unknown_ones(app: Flask, client: FlaskClient) -> None:
    token = make_asset().public_token
    unknown = client.get("/media/AAAAAAAAAAAAAAAAAAAAAA.png")
    spellings = (f"{token[:-1]}.png", f"{token}A.png", f"{token}.svg", f"{token}.jpg", f"{token}.php", "1.png")
    for spelling in (*spellings, f"{token}.png.svg", f"%F0%9F%8D%B5{token}.png"):
        answer = client.get(f"/media/{spelling}")
        assert answer.status_code == unknown.status_code == 404
        assert len(answer.data) == len(unknown.data)
    assert client.get("/media/..%2f..%2fetc%2fpasswd.png").status_code == 404
