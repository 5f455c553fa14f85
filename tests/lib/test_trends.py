"""What stands out of a row of counts, and where it goes."""

from __future__ import annotations

from lib.trends import OUTLYING_Z, forecast, modified_z, student_quantile


def test_an_outlier_stands_out_and_a_usual_day_does_not() -> None:
    usual = [10, 12, 9, 11, 10, 13, 10, 9, 11]
    far, near = modified_z(60, usual), modified_z(12, usual)
    assert far is not None and far > OUTLYING_Z
    assert near is not None and near < OUTLYING_Z


def test_a_row_that_never_varies_says_nothing() -> None:
    assert modified_z(5, [5] * 9) is None
    assert modified_z(5, [1, 2]) is None


def test_a_row_with_mostly_one_value_still_tells_an_outlier() -> None:
    found = modified_z(40, [0, 0, 0, 0, 0, 0, 1, 2])
    assert found is not None and found > OUTLYING_Z


def test_a_straight_line_goes_on_straight() -> None:
    found = forecast([10, 20, 30, 40, 50], 2)
    assert found is not None
    assert [round(one.mean) for one in found] == [60, 70]
    assert round(found[0].high - found[0].low, 6) == 0


def test_the_range_widens_with_noise_and_distance_and_never_goes_below_zero() -> None:
    found = forecast([10, 2, 14, 3, 8, 1], 3)
    assert found is not None
    assert found[2].high - found[2].mean > found[0].high - found[0].mean > 0
    assert all(one.low >= 0 for one in found)
    assert forecast([1, 2, 3], 1) is None


def test_students_quantile_as_tables_print_it() -> None:
    assert [round(student_quantile(degrees), 3) for degrees in (3, 10, 30)] == [3.182, 2.228, 2.042]
