"""Two states of the code never have one name: what is deployed anew is another release."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.release import VERSION, release_name

COMMIT = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, VERSION),
        ({".fingerprint": "9f8e7d6c5b4a3928\n"}, f"{VERSION}+9f8e7d6c"),
        ({".fingerprint": "not a fingerprint"}, VERSION),
        ({".git/HEAD": COMMIT}, f"{VERSION}+1a2b3c4d"),
        ({".git/HEAD": "ref: refs/heads/main", ".git/refs/heads/main": COMMIT}, f"{VERSION}+1a2b3c4d"),
        ({".git/HEAD": "ref: refs/heads/main", ".git/packed-refs": f"{COMMIT} refs/heads/main"}, f"{VERSION}+1a2b3c4d"),
    ],
)
def test_a_release_is_named_by_its_code(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert release_name(tmp_path) == expected
