"""The colours of tokens.css keep the contrasts that the design promises."""

import re
from pathlib import Path

import pytest

from lib.contrast import contrast_ratio

CSS = Path(__file__).resolve().parents[2] / "static" / "css"
TOKENS = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", (CSS / "tokens.css").read_text()))
PROMISED_ON_BLACK = {"text-1": 18.0, "text-2": 9.9, "text-3": 6.4, "border-control": 4.8}
TEXT_ON_SURFACES = ["text-1", "text-2", "text-3", "success", "warn", "danger", "info", "purple-300", "pink-300"]
TEXT_ON_SURFACES += ["cyan-200"]
SURFACES = ["page", "surface-1", "surface-2", "surface-3"]


def test_black_on_white_is_21_and_a_colour_on_itself_is_1() -> None:
    assert contrast_ratio("#000000", "#ffffff") == pytest.approx(21)
    assert contrast_ratio("#9f47ef", "#9f47ef") == pytest.approx(1)


@pytest.mark.parametrize(("name", "promised"), PROMISED_ON_BLACK.items())
def test_text_and_control_borders_have_the_promised_contrast_on_black(name: str, promised: float) -> None:
    assert contrast_ratio(TOKENS[name], TOKENS["page"]) == pytest.approx(promised, abs=0.06)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", TEXT_ON_SURFACES)
def test_text_can_be_read_on_every_surface_it_stands_on(name: str, surface: str) -> None:
    assert contrast_ratio(TOKENS[name], TOKENS[surface]) >= 4.5


@pytest.mark.parametrize("name", ["purple-600", "cyan-600", "pink-600", "danger-fill"])
def test_a_fill_stands_out_from_black_and_carries_white_text(name: str) -> None:
    assert contrast_ratio(TOKENS[name], "#ffffff") >= 4.49
    assert contrast_ratio(TOKENS[name], TOKENS["page"]) >= 4.49


@pytest.mark.parametrize("family", ["purple", "cyan", "pink"])
def test_an_icon_badge_can_be_read(family: str) -> None:
    assert contrast_ratio(TOKENS[f"{family}-300"], TOKENS[f"{family}-950"]) >= 4.5


@pytest.mark.parametrize("surface", [*SURFACES, "surface-4"])
def test_the_focus_ring_shows_on_every_surface(surface: str) -> None:
    assert contrast_ratio(TOKENS["focus"], TOKENS[surface]) >= 3


def test_components_take_their_colours_from_the_tokens() -> None:
    """Pure white inside a message's preview frame is the one exception: it is the reader's paper, not ours."""
    for path in [CSS / "base.css", CSS / "shell.css", *CSS.glob("components/*.css"), *CSS.glob("pages/*.css")]:
        found = re.findall(r"#[0-9a-fA-F]{3,8}\b", path.read_text())
        allowed = {"#ffffff"} if path.name == "preview_frame.css" else set()
        assert set(found) <= allowed, path.name
