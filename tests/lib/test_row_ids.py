"""Ids as addresses and forms bring them."""

from __future__ import annotations

import pytest

from lib.row_ids import LARGEST, read_id, read_ids


@pytest.mark.parametrize("text", [None, "", "0", "-1", "1.5", "x", "١", str(LARGEST + 1), "9" * 40, " 1"])
def test_what_is_no_id_is_nothing(text: str | None) -> None:
    assert read_id(text) is None


def test_ids_come_once_each_in_order() -> None:
    assert read_ids(["3", "x", "1", "3", str(LARGEST)]) == [3, 1, LARGEST]
