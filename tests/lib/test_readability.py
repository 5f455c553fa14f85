"""How easily text reads."""

from __future__ import annotations

import pytest

from lib.readability import count_syllables, measure_reading_ease

EASY = "The cat sat on the mat. It was a warm day. We had tea and cake. " * 4
HARD = (
    "Notwithstanding considerable organisational complexities, interdepartmental communication methodologies "
    "necessitate comprehensive reconceptualisation of institutional prioritisation procedures. "
) * 4


def test_short_words_in_short_sentences_read_easily() -> None:
    easy, hard = measure_reading_ease(EASY), measure_reading_ease(HARD)
    assert easy is not None
    assert hard is not None
    assert easy > 80 > 20 > hard


def test_a_few_words_say_nothing() -> None:
    assert measure_reading_ease("Hello there") is None


@pytest.mark.parametrize(("word", "count"), [("tea", 1), ("garden", 2), ("make", 1), ("table", 2), ("hmm", 1)])
def test_syllables_are_about_right(word: str, count: int) -> None:
    assert count_syllables(word) == count
