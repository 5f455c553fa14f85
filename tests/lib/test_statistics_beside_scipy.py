"""The statistics of lib/ held against SciPy's over thousands of random cases; see docs/decisions/statistics.md."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy
import pytest
from scipy import stats

from lib.proportions import compare, power_of, trials_needed, wilson
from lib.trends import forecast, modified_z, student_quantile

CASES = 1_500


def random_shares() -> Iterator[tuple[int, int]]:
    """Few and many, nothing and everything, from one trial to ten million."""
    chance = numpy.random.default_rng(20261123)
    for _ in range(CASES):
        trials = round(10 ** chance.uniform(0, 7))
        share = (0.0, 1.0, chance.random(), chance.random() ** 8)[chance.integers(4)]
        yield round(trials * share), trials


def test_each_interval_of_a_share_is_scipys() -> None:
    for successes, trials in random_shares():
        ours = wilson(successes, trials)
        assert ours is not None
        theirs = stats.binomtest(successes, trials, successes / trials).proportion_ci(method="wilson")
        assert ours.low == pytest.approx(theirs.low, abs=1e-8)
        assert ours.high == pytest.approx(theirs.high, abs=1e-8)


def test_each_test_of_two_shares_is_scipys_without_correction() -> None:
    shares = list(random_shares())
    for one, two in zip(shares[::2], shares[1::2], strict=True):
        ours = compare(one, two)
        assert ours is not None
        table = [[one[0], one[1] - one[0]], [two[0], two[1] - two[0]]]
        if one[0] + two[0] in (0, one[1] + two[1]):
            assert ours.p_value == 1.0
            continue
        theirs = stats.chi2_contingency(table, correction=False)
        assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)


def test_the_interval_of_a_difference_covers_it_as_often_as_it_says() -> None:
    chance = numpy.random.default_rng(7)
    for first, second, trials in ((0.2, 0.25, 400), (0.02, 0.03, 900), (0.5, 0.5, 60)):
        draws = zip(chance.binomial(trials, first, 1500), chance.binomial(trials, second, 1500), strict=True)
        found = [compare((int(a), trials), (int(b), trials)) for a, b in draws]
        covered = sum(one is not None and one.low <= second - first <= one.high for one in found)
        assert 0.93 <= covered / 1500 <= 0.98


def test_sample_sizes_have_the_power_that_scipys_normal_distribution_gives_them() -> None:
    for share, difference in ((0.1, 0.02), (0.5, 0.1), (0.03, 0.01), (0.9, -0.05)):
        trials = trials_needed(share, difference)
        assert trials is not None
        other, middle = share + difference, share + difference / 2
        spread = math.sqrt(share * (1 - share) + other * (1 - other))
        root = stats.norm.ppf(0.975) * math.sqrt(2 * middle * (1 - middle)) + stats.norm.ppf(0.8) * spread
        assert trials == math.ceil((root / difference) ** 2)
        power = power_of((round(share * trials), trials), (round(other * trials), trials))
        exact = stats.norm.sf(stats.norm.ppf(0.975) - abs(difference) * math.sqrt(trials) / spread)
        assert power == pytest.approx(exact, abs=0.01)


def test_each_quantile_of_student_is_scipys() -> None:
    for degrees in range(1, 400):
        assert student_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-4)


def test_each_forecast_is_scipys_regression_with_its_prediction_interval() -> None:
    chance = numpy.random.default_rng(1)
    for _ in range(300):
        count = int(chance.integers(4, 60))
        slope = chance.uniform(-9, 9)
        values = [max(0.0, float(500 + slope * x + chance.normal(0, 40))) for x in range(count)]
        line = stats.linregress(range(count), values)
        error = math.sqrt(sum((y - line.intercept - line.slope * x) ** 2 for x, y in enumerate(values)) / (count - 2))
        spread = sum((x - (count - 1) / 2) ** 2 for x in range(count))
        ours = forecast(values, 4)
        assert ours is not None
        for x, one in enumerate(ours, count):
            mean = line.intercept + line.slope * x
            distance = math.sqrt(1 + 1 / count + (x - (count - 1) / 2) ** 2 / spread)
            half = stats.t.ppf(0.975, count - 2) * error * distance
            assert one.mean == pytest.approx(max(0.0, mean), abs=1e-6)
            assert one.low == pytest.approx(max(0.0, mean - half), abs=1e-4 * half + 1e-6)
            assert one.high == pytest.approx(max(0.0, mean + half), abs=1e-4 * half + 1e-6)


def test_outliers_are_measured_by_scipys_median_deviation() -> None:
    chance = numpy.random.default_rng(2)
    for _ in range(300):
        others = [float(one) for one in chance.normal(100, 15, int(chance.integers(5, 60)))]
        value = float(chance.normal(100, 60))
        spread = float(stats.median_abs_deviation(others))
        assert modified_z(value, others) == pytest.approx(0.6745 * (value - float(numpy.median(others))) / spread)
