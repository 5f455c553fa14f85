"""Shares and their comparison, against values that the papers and textbooks print."""

from __future__ import annotations

import pytest

from lib.proportions import compare, power_of, trials_needed, wilson


def test_wilsons_interval_of_newcombes_examples() -> None:
    share = wilson(81, 263)
    assert share is not None
    assert (round(share.low, 4), round(share.high, 4)) == (0.2553, 0.3662)
    none = wilson(0, 20)
    assert none is not None
    assert (none.low, round(none.high, 4)) == (0.0, 0.1611)


def test_newcombes_difference() -> None:
    found = compare((48, 80), (56, 70))
    assert found is not None
    assert (round(found.difference, 3), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)
    assert found.is_significant


def test_equal_shares_do_not_differ_and_nothing_is_made_of_nothing() -> None:
    same = compare((10, 100), (10, 100))
    assert same is not None and not same.is_significant
    assert wilson(0, 0) is None
    assert compare((0, 0), (1, 2)) is None
    assert power_of((0, 0), (1, 2)) is None
    assert compare((0, 9), (0, 9)) is not None
    with pytest.raises(ValueError, match="more successes"):
        wilson(3, 2)


def test_the_textbooks_sample_size() -> None:
    assert trials_needed(0.1, 0.02) == 3841
    assert trials_needed(0.1, 0) is None
    power = power_of((384, 3841), (461, 3841))
    assert power is not None and abs(power - 0.8) < 0.01
