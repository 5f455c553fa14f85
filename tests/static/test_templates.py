"""Templates keep the strict Content-Security-Policy and use only icons that the sprite has."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SPRITE = set(re.findall(r'<symbol id="([a-z0-9-]+)"', (ROOT / "static/vendor/lucide/icons.svg").read_text()))


def test_no_template_of_a_page_styles_or_scripts_inline() -> None:
    """Mail and its previews are no pages: they are served with a policy of their own, in a frame without rights."""
    for path in TEMPLATES:
        if path.is_relative_to(ROOT / "templates" / "mail") or path.name.startswith("preview_"):
            continue
        text = path.read_text()
        assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=\"|hx-on|javascript:", text), path
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    for path in TEMPLATES:
        for name in re.findall(r"""\bicon(?:_button)?\(["']([a-z0-9-]+)["']""", path.read_text()):
            assert name in SPRITE, f"{path.name} uses {name}"


def test_every_module_that_a_template_names_has_a_script() -> None:
    for path in TEMPLATES:
        for names in re.findall(r'data-module="([a-z_ ]+)"', path.read_text()):
            for name in names.split():
                assert (ROOT / "static/js/modules" / f"{name}.js").exists(), f"{path.name} uses {name}"


def test_every_component_stylesheet_is_small_enough_to_read() -> None:
    for path in (ROOT / "static/css").rglob("*.css"):
        assert len(path.read_text().splitlines()) <= 400, path.name
