"""Charts: numbers in, geometry out."""

import pytest

from lib.charts import Series, bar_chart, format_number, line_chart, sparkline_path

LABELS = ["a", "b", "c", "d"]


def test_a_line_runs_from_the_first_number_to_the_last_within_the_plot() -> None:
    chart = line_chart("Opens", LABELS, [Series("Opens", [0, 10, 20, 40])])
    drawn = chart.series[0]
    assert drawn.path == "M12.50 190.0 L37.50 145.0 L62.50 100.0 L87.50 10.0"
    assert drawn.end_text == "40"


def test_a_missing_number_leaves_a_gap_in_the_line() -> None:
    drawn = line_chart("Opens", LABELS, [Series("Opens", [1, None, 2, 4])]).series[0]
    assert drawn.path.count("M") == 2
    assert drawn.texts[1] == "–"


def test_no_numbers_make_an_empty_chart_that_says_so() -> None:
    chart = line_chart("Opens", LABELS, [Series("Opens", [None] * 4)])
    assert chart.series[0].end_y is None
    assert chart.description == "Opens: no numbers yet."


def test_zeros_lie_on_the_base_line_without_a_division_by_zero() -> None:
    assert bar_chart("Sent", LABELS, [Series("Sent", [0, 0, 0, 0])]).series[0].bars == []


def test_the_scale_reaches_above_the_highest_number_in_round_steps() -> None:
    chart = bar_chart("Sent", LABELS, [Series("Sent", [3, 1605, 20, 0])])
    assert [tick.label for tick in chart.ticks] == ["0", "500", "1k", "1.5k", "2k"]
    assert all(bar.y >= 10 for bar in chart.series[0].bars)


def test_labels_at_the_ends_of_close_lines_do_not_lie_on_each_other() -> None:
    chart = line_chart("Two", LABELS, [Series("One", [1, 2, 3, 10]), Series("Two", [1, 2, 3, 10])])
    first, second = (one.end_y or 0 for one in chart.series)
    assert abs(first - second) >= 16


def test_a_chart_refuses_a_seventh_series() -> None:
    with pytest.raises(ValueError, match="at most 6"):
        line_chart("Many", LABELS, [Series(str(at), [1, 2, 3, 4]) for at in range(7)])


def test_numbers_carry_their_unit() -> None:
    assert format_number(1234567) == "1,234,567"
    assert format_number(4.9, "%") == "4.9%"
    assert format_number(5, "$") == "$5"
    assert format_number(None, "%") == "–"


def test_a_sparkline_of_nothing_is_nothing() -> None:
    assert sparkline_path([]) == ""
    assert sparkline_path([0, 0]).startswith("M0.0")
