"""Charts worked out on the server: numbers go in, the geometry that templates/components/chart.html draws comes out.

The plot stretches with the page, so its x runs from 0 to 100; its y is in pixels and never stretches.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

PLOT_HEIGHT = 180
PLOT_TOP = 10
PLOT_WIDTH = 100.0
END_LABEL_GAP = 16
MOST_SERIES = 6
MOST_LABELS = 13


@dataclass(frozen=True)
class Series:
    """One named row of numbers; None where there is nothing to show."""

    label: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Tick:
    y: float
    label: str


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class DrawnSeries:
    number: int
    label: str
    values: Sequence[float | None]
    texts: list[str]
    path: str
    dots: list[tuple[float, float]]
    bars: list[Bar]
    end_y: float | None
    end_text: str


@dataclass(frozen=True)
class Chart:
    kind: str
    title: str
    description: str
    heading: str
    labels: Sequence[str]
    series: list[DrawnSeries]
    ticks: list[Tick]
    height: int
    baseline: float
    # Of many labels only each such one is written under the plot; the table has them all.
    label_every: int = 1


def line_chart(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    unit: str = "",
    heading: str = "Week",
    most_labels: int = MOST_LABELS,
) -> Chart:
    """Lines over time; `heading` names what the labels are in the table beside it."""
    return _draw("line", title, labels, series, unit, heading, most_labels)


def bar_chart(
    title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "", heading: str = "Week"
) -> Chart:
    """Bars side by side, one group per label."""
    return _draw("bar", title, labels, series, unit, heading)


def sparkline_path(values: Sequence[float], width: int = 80, height: int = 20) -> str:
    """The path of a tiny line without axes, for a table cell."""
    if not values:
        return ""
    top = max(values) or 1
    step = width / max(1, len(values) - 1)
    points = [f"{step * at:.1f} {height - 1 - value / top * (height - 2):.1f}" for at, value in enumerate(values)]
    return "M" + " L".join(points)


def format_number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "–"
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    return f"${text}" if unit == "$" else f"{text}{unit}"


def _draw(
    kind: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    unit: str,
    heading: str,
    most_labels: int = MOST_LABELS,
) -> Chart:
    if len(series) > MOST_SERIES:
        raise ValueError(f"A chart shows at most {MOST_SERIES} series; {title} has {len(series)}")
    top, step = _nice_top(max((value for one in series for value in one.values if value is not None), default=0))
    baseline = float(PLOT_TOP + PLOT_HEIGHT)
    drawn = [_draw_series(kind, at, len(series), one, top, unit) for at, one in enumerate(series)]
    ticks = [
        Tick(y=_y_of(step * count, top), label=_short_number(step * count, unit))
        for count in range(round(top / step) + 1)
    ]
    return Chart(
        kind=kind,
        title=title,
        description=_describe(labels, series, unit),
        heading=heading,
        labels=labels,
        series=_spread_end_labels(drawn),
        ticks=ticks,
        height=PLOT_TOP + PLOT_HEIGHT + 6,
        baseline=baseline,
        label_every=-(-len(labels) // most_labels),
    )


def _nice_top(highest: float) -> tuple[float, float]:
    """The top of the scale and the distance of its lines: about four, at round numbers."""
    if highest <= 0:
        return 4.0, 1.0
    rough = highest / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    if highest >= 4 or float(highest).is_integer():
        step = max(1.0, step)
    return step * math.ceil(highest / step - 1e-9), step


def _y_of(value: float, top: float) -> float:
    return round(PLOT_TOP + PLOT_HEIGHT * (1 - value / top), 2)


def _draw_series(kind: str, at: int, of: int, series: Series, top: float, unit: str) -> DrawnSeries:
    cell = PLOT_WIDTH / max(1, len(series.values))
    places = [
        (round(cell * (index + 0.5), 2), _y_of(value, top))
        for index, value in enumerate(series.values)
        if value is not None
    ]
    known = [value for value in series.values if value is not None]
    bars = [] if kind == "line" else _draw_bars(at, of, series, cell, top)
    return DrawnSeries(
        number=at + 1,
        label=series.label,
        values=series.values,
        texts=[format_number(value, unit) for value in series.values],
        path=_path_of(series, cell, top) if kind == "line" else "",
        dots=places if kind == "line" else [],
        bars=bars,
        end_y=places[-1][1] if places and kind == "line" else None,
        end_text=format_number(known[-1], unit) if known else "",
    )


def _path_of(series: Series, cell: float, top: float) -> str:
    """A gap in the numbers is a gap in the line."""
    parts: list[str] = []
    is_drawing = False
    for index, value in enumerate(series.values):
        if value is not None:
            parts.append(f"{'L' if is_drawing else 'M'}{cell * (index + 0.5):.2f} {_y_of(value, top)}")
        is_drawing = value is not None
    return " ".join(parts)


def _draw_bars(at: int, of: int, series: Series, cell: float, top: float) -> list[Bar]:
    width = cell * 0.64 / of
    bars = []
    for index, value in enumerate(series.values):
        if value is None or value <= 0:
            continue
        y = _y_of(value, top)
        x = cell * index + cell * 0.18 + width * at
        bars.append(Bar(x=round(x, 2), y=y, width=round(width * 0.9, 2), height=round(PLOT_TOP + PLOT_HEIGHT - y, 2)))
    return bars


def _spread_end_labels(series: list[DrawnSeries]) -> list[DrawnSeries]:
    """Moves end labels apart where lines end close together."""
    ends = sorted((one for one in series if one.end_y is not None), key=lambda one: one.end_y or 0)
    placed: dict[int, float] = {}
    previous = -math.inf
    for one in ends:
        previous = max(one.end_y or 0.0, previous + END_LABEL_GAP)
        placed[one.number] = previous
    over = previous - (PLOT_TOP + PLOT_HEIGHT)
    shift = over if over > 0 else 0.0
    return [one if one.end_y is None else _with_end(one, placed[one.number] - shift) for one in series]


def _with_end(series: DrawnSeries, end_y: float) -> DrawnSeries:
    return DrawnSeries(**{**vars(series), "end_y": round(end_y, 2)})


def _short_number(value: float, unit: str) -> str:
    for size, mark in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return format_number(round(value / size, 1), "") + mark + (unit if unit == "%" else "")
    return format_number(value, unit)


def _describe(labels: Sequence[str], series: Sequence[Series], unit: str) -> str:
    sentences = []
    for one in series:
        known = [(label, value) for label, value in zip(labels, one.values, strict=True) if value is not None]
        if not known:
            sentences.append(f"{one.label}: no numbers yet.")
            continue
        highest = max(known, key=lambda pair: pair[1])
        sentences.append(
            f"{one.label}: {format_number(known[0][1], unit)} in {known[0][0]}, {format_number(known[-1][1], unit)} "
            f"in {known[-1][0]}, highest {format_number(highest[1], unit)} in {highest[0]}."
        )
    return " ".join(sentences)
