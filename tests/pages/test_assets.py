"""Static files travel under a hash of their content, compressed, and may be kept for ever."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from pages.assets import asset_url, read_tree


def test_the_address_of_an_asset_holds_the_build_and_may_be_kept_for_a_year(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        url = asset_url("css/app.css")
    answer = client.get(url, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert b".button" in gzip.decompress(answer.data)
    plain = client.get(url)
    assert "Content-Encoding" not in plain.headers
    assert plain.data == gzip.decompress(answer.data)
    assert "Set-Cookie" not in answer.headers


def test_an_old_build_still_gets_the_file_but_may_not_keep_it(client: FlaskClient) -> None:
    answer = client.get("/assets/000000000000/js/main.js")
    assert answer.status_code == 200
    assert "immutable" not in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["../app.py", "css/../../config.py", "nothing.css", ".hidden", "%2e%2e/app.py"])
def test_nothing_outside_of_static_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(f"/assets/000000000000/{path}").status_code == 404


def test_a_template_that_names_a_missing_asset_fails_loudly(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(LookupError, match="nope"):
        asset_url("css/nope.css")


def test_the_build_changes_with_any_content_and_only_with_content(tmp_path: Path) -> None:
    (tmp_path / "css").mkdir()
    (tmp_path / "css/tokens.css").write_text("a")
    first = read_tree(tmp_path).build
    assert read_tree(tmp_path).build == first
    (tmp_path / "css/tokens.css").write_text("b")
    assert read_tree(tmp_path).build != first


def test_the_shared_stylesheet_joins_tokens_first_and_leaves_pages_out(tmp_path: Path) -> None:
    for name in ("components/a.css", "base.css", "tokens.css", "pages/x.css", "shell.css"):
        path = tmp_path / "css" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"/*{name}*/")
    body = read_tree(tmp_path).files["css/app.css"].body.decode()
    assert body.split() == ["/*tokens.css*/", "/*base.css*/", "/*shell.css*/", "/*components/a.css*/"]


def test_what_every_page_loads_keeps_within_its_weight(app: Flask, sign_in: Callable[..., FlaskClient]) -> None:
    """120 KB and 30 KB of script are the gates for a page; what all pages share must leave room for the page itself."""
    files = read_tree().files
    shared = ["css/app.css", "js/main.js", "vendor/htmx/htmx.min.js", "vendor/lucide/icons.svg", "icon.svg"]
    sizes = {name: len(files[name].gzipped or files[name].body) for name in [*shared, "vendor/inter/inter-latin.woff2"]}
    assert sum(sizes.values()) <= 75 * 1024, sizes
    assert sizes["js/main.js"] + sizes["vendor/htmx/htmx.min.js"] <= 22 * 1024, sizes


def test_a_page_travels_compressed_to_whoever_takes_it(sign_in: Callable[..., FlaskClient]) -> None:
    client = sign_in("viewer")
    packed = client.get("/styleguide/", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert b"Styleguide" in gzip.decompress(packed.data)
    plain = client.get("/styleguide/", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in plain.headers
    assert b"Styleguide" in plain.data
