"""Read backwards or forwards, a file has the same lines at the same offsets, whatever is in it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import backwards_file
from lib.backwards_file import Budget, FileRefused, Line, LogFile, Spending

PLENTY = Budget(lines=10_000, bytes=10_000_000, seconds=60)


def written(content: bytes) -> Path:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(content)
    return Path(file.name)


def lines_of(content: bytes) -> list[Line]:
    lines, offset = [], 0
    pieces = content.split(b"\n")
    if pieces[-1] == b"":
        pieces.pop()
    for piece in pieces:
        lines.append(Line(offset, piece, len(piece)))
        offset += len(piece) + 1
    return lines


@pytest.fixture(scope="module", params=[1, 7, 64 * 1024])
def block(request: pytest.FixtureRequest) -> int:
    """Small blocks bring every seam to light."""
    return int(request.param)


@given(content=st.lists(st.sampled_from([b"\n", b"a", b"bc\n", b"\x00", b"\r\n", b"long" * 9])).map(b"".join))
def test_backwards_gives_every_line_once(block: int, content: bytes) -> None:
    path = written(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backwards_file, "BLOCK_BYTES", block)
        with LogFile(path) as file:
            found = list(file.read_backwards(Spending(PLENTY)))
    path.unlink()
    assert found[::-1] == lines_of(content)


@given(
    content=st.lists(st.sampled_from([b"\n", b"a", b"bc\n", b"\x00", b"long" * 9])).map(b"".join),
    start=st.integers(0, 50),
)
def test_forwards_gives_every_complete_line_from_a_place_on(block: int, content: bytes, start: int) -> None:
    path = written(content)
    start = min(start, len(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backwards_file, "BLOCK_BYTES", block)
        with LogFile(path) as file:
            found = list(file.read_forwards(start, Spending(PLENTY)))
    path.unlink()
    rest = content[start:]
    complete = rest[: rest.rfind(b"\n") + 1]
    assert [(line.offset - start, line.text) for line in found] == [(x.offset, x.text) for x in lines_of(complete)]


def test_a_folder_or_a_device_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", Path("/dev/null")):
        with pytest.raises(FileRefused):
            LogFile(path)
