"""/styleguide: every component in every state on one page, the first page that tests open."""

import re
from dataclasses import dataclass

from flask import Blueprint, Response, abort, render_template, request

from lib.charts import Series, bar_chart, line_chart, sparkline_path
from lib.contrast import contrast_ratio
from lib.line_differences import compare_lines
from lib.measured_texts import Measured
from pages.assets import STATIC

page = Blueprint("styleguide", __name__)

WEEKS = ["28 Sep", "5 Oct", "12 Oct", "19 Oct", "26 Oct", "2 Nov", "9 Nov", "16 Nov"]
COLOUR = re.compile(r"--([a-z0-9-]+): (#[0-9a-f]{6});")


@dataclass(frozen=True)
class Swatch:
    name: str
    value: str
    ratio: float


@dataclass(frozen=True)
class Person:
    id: int
    name: str
    email: str
    state: tuple[str, str]
    opens: int


PEOPLE = [
    Person(1, "Ada Lovelace", "ada@example.org", ("success", "Subscribed"), 12),
    Person(2, "Grace Hopper", "grace@example.org", ("neutral", "Unconfirmed"), 0),
    Person(3, "Łukasz Nowak", "lukasz@example.org", ("warn", "Bouncing"), 3),
    Person(4, "Zoë Ångström", "zoe@example.org", ("danger", "Suppressed"), 1),
]


def read_tokens() -> dict[str, str]:
    """The colours of static/css/tokens.css by name."""
    return dict(COLOUR.findall((STATIC / "css" / "tokens.css").read_text()))


@page.get("/")
def index() -> str:
    return render_template(
        "styleguide/index.html",
        people=PEOPLE,
        differences=compare_lines(["The tea is here.", "Come and see."], ["The first flush is here.", "Come and see."]),
        headlines=[Measured("First flush tea", 15, 30), Measured("A headline that goes on and on, and on", 38, 30)],
        swatches=[Swatch(name, value, contrast_ratio(value, "#000000")) for name, value in read_tokens().items()],
        line=line_chart(
            "Opened and clicked",
            WEEKS,
            [
                Series("Opened by people", [22.4, 24.1, 23.0, 27.5, 26.2, 29.8, 31.0, 33.4]),
                Series("Clicked", [2.1, 2.6, 2.4, 3.3, 3.0, 3.9, 4.4, 4.9]),
            ],
            unit="%",
        ),
        bars=bar_chart(
            "Messages sent", WEEKS, [Series("E-mail", [820, 940, 0, 1200, 1310, 1180, 1420, 1605])], heading="Week of"
        ),
        spark=sparkline_path([3, 5, 4, 8, 7, 11, 9]),
        errors={"email": "Enter an address like name@example.org.", "form": "The account is full."},
    )


@page.get("/fragment")
def fragment() -> Response | str:
    """What a panel that loads by itself receives; ?fails=1 shows the panel's own error state."""
    if request.args.get("fails"):
        abort(503)
    return render_template("styleguide/fragment.html")
