"""What timedatectl says of the clock, and that a machine without it is no trouble."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.clock_sync import find_is_synchronised


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo yes", True),
        ("echo no", False),
        ("echo 'System has not been booted with systemd' >&2; exit 1", None),
        ("echo perhaps", None),
        ("echo yes; exit 1", None),
    ],
)
def test_it_is_what_timedatectl_says(script: str, expected: bool | None, tmp_path: Path) -> None:
    program = tmp_path / "timedatectl"
    program.write_text(f'#!/bin/sh\n[ "$*" = "show --property=NTPSynchronized --value" ] || exit 9\n{script}\n')
    program.chmod(0o755)
    assert find_is_synchronised(str(program)) is expected


def test_without_the_program_nobody_can_tell(tmp_path: Path) -> None:
    assert find_is_synchronised(str(tmp_path / "none")) is None
