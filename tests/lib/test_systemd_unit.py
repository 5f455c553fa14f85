"""What a unit says of its environment."""

from __future__ import annotations

import os
from pathlib import Path

from lib.systemd_unit import find_unit

ROOT = Path(__file__).resolve().parents[2]


def test_the_unit_that_is_shipped_names_its_environment_file() -> None:
    unit = find_unit(ROOT / "deploy" / "systemd", "lux.service")
    assert unit is not None
    assert unit.lines() == "`EnvironmentFile=/etc/lux/lux.env`"


def test_a_drop_in_adds_to_it_and_a_unit_without_one_is_told_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "lux.service").write_text("[Service]\nExecStart=/bin/true\n")
    unit = find_unit(tmp_path, "lux.service")
    assert unit is not None and "add `EnvironmentFile=" in unit.lines()
    (tmp_path / "lux.service.d").mkdir()
    (tmp_path / "lux.service.d" / "more.conf").write_text("[Service]\nEnvironmentFile=-/etc/more.env\n")
    unit = find_unit(tmp_path, "lux.service")
    assert unit is not None and unit.lines() == "`EnvironmentFile=-/etc/more.env`"


def test_a_file_changed_after_the_start_is_newer(tmp_path: Path) -> None:
    settings = tmp_path / "lux.env"
    settings.write_text("A=1\n")
    os.utime(settings, (1000, 1000))
    (tmp_path / "lux.service").write_text(f"EnvironmentFile=-{settings}\n")
    unit = find_unit(tmp_path, "lux.service")
    assert unit is not None
    assert unit.is_newer_than(999)
    assert not unit.is_newer_than(1001)


def test_no_unit_and_no_name_that_leads_elsewhere(tmp_path: Path) -> None:
    assert find_unit(tmp_path, "lux.service") is None
    assert find_unit(tmp_path, "../../etc/passwd.service") is None
    assert find_unit(tmp_path, "lux*.service") is None
