"""What a model's tokens cost."""

from __future__ import annotations

import pytest

from lib.model_prices import PRICES, price


def test_an_unknown_model_counts_as_an_expensive_one() -> None:
    assert price("some-model-of-tomorrow", 1_000_000, 0) >= max(row[1] for row in PRICES)


def test_a_providers_prefix_and_a_models_date_do_not_matter() -> None:
    assert price("openai/gpt-4o-mini-2024-07-18", 1_000_000, 1_000_000) == pytest.approx(0.75)


def test_no_shorter_name_hides_a_longer_one() -> None:
    names = [row[0] for row in PRICES]
    assert not [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if b.startswith(a)]
