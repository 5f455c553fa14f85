"""Names that meet no other, in threads and in the children of a fork."""

from __future__ import annotations

import os
from pathlib import Path

from lib.random_names import random_name


def test_a_name_has_so_many_digits() -> None:
    assert {len(random_name(24)) for _ in range(2000)} == {24}
    assert set("".join(random_name(16) for _ in range(2000))) == set("0123456789abcdef")


def test_children_of_a_fork_make_names_of_their_own(tmp_path: Path) -> None:
    random_name(16)
    for number in range(2):
        child = os.fork()
        if child == 0:
            (tmp_path / str(number)).write_text("\n".join(random_name(16) for _ in range(100)))
            os._exit(0)
        os.waitpid(child, 0)
    made = [random_name(16) for _ in range(100)]
    made += [name for file in tmp_path.iterdir() for name in file.read_text().split()]
    assert len(set(made)) == 300
