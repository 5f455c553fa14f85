"""Vendored parts are the files that their VENDOR.md says they are, with a licence beside them."""

import hashlib
import re
from pathlib import Path

import pytest

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"
ROW = re.compile(r"^\| `([^`]+)` \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def list_folders() -> list[Path]:
    return sorted(path for path in VENDOR.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", list_folders(), ids=lambda folder: folder.name)
def test_every_vendored_file_has_the_hash_that_is_written_down(folder: Path) -> None:
    written = dict(ROW.findall((folder / "VENDOR.md").read_text()))
    present = {path.name for path in folder.iterdir() if path.name != "VENDOR.md"}
    assert set(written) == present
    for name, digest in written.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("folder", list_folders(), ids=lambda folder: folder.name)
def test_every_vendored_part_names_its_version_and_licence(folder: Path) -> None:
    text = (folder / "VENDOR.md").read_text()
    assert re.search(r"^- Version: \S", text, re.MULTILINE)
    assert re.search(r"^- Licence: \S", text, re.MULTILINE)
    assert (folder / "LICENSE").stat().st_size > 100


def test_the_font_that_a_page_loads_first_weighs_at_most_50_kilobytes() -> None:
    assert (VENDOR / "inter" / "inter-latin.woff2").stat().st_size <= 50 * 1024
