"""An upload is only ever rows of a table: no file, no archive, no bomb (Mautic CVE-2024-47051, CVE-2026-9559)."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.security.house import House

NAMES = (
    "../../../../tmp/lux-planted.py", "..\\..\\lux-planted.py", "/etc/cron.d/lux-planted", "lux-planted.php",
    "C:\\x.csv", "a\x00.csv", ".htaccess", "x" * 5000 + ".csv", "....//....//lux-planted", "%2e%2e%2flux-planted.csv",
    "con.csv",    "<script>luxRan()</script>.csv", "a;b=c.csv", "\u202ecsv.exe", "",
)  # fmt: skip
CSV = b"email,name\nann@example.com,Ann\n"


def zipped(name: str, body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, body)
    return file.getvalue()


# What is no table, however it is called: archives, images, programs, documents, and bombs of each kind.
NO_TABLES = {
    "a zip": zipped("../../evil.py", b"print(1)"),
    "a zip bomb": zipped("bomb.csv", b"email\n" + b"a" * 30_000_000),
    "a spreadsheet": zipped("xl/workbook.xml", b"<workbook/>"),
    "a gzip bomb": gzip.compress(b"email\n" + b"\0" * 30_000_000),
    "a deflate bomb": zlib.compress(b"\0" * 30_000_000),
    "a png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1",
    "a gif with a script": b"GIF89a/*" + b"\0" * 20 + b"*/=1;luxRan()//",
    "a jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "a program": b"\x7fELF\2\1\1\0" + b"\0" * 40,
    "a windows program": b"MZ\x90\0\3\0\0\0",
    "a pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "an old spreadsheet": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 40,
    "a tar": b"evil.py" + b"\0" * 250 + b"ustar\x0000" + b"\0" * 250,
    "a webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "a 7z": b"7z\xbc\xaf\x27\x1c\0\4",
    "a xz": b"\xfd7zXZ\0\0\4",
    "a zstd": b"\x28\xb5\x2f\xfd\4\0",
    "zeros": b"\0" * 100_000,
    "nothing": b"",
    "blanks": b" \n\n \r\n",
}


def upload(house: House, name: str, body: bytes, content_type: str = "text/csv") -> tuple[int, str]:
    answer = house.ask("marketer", "POST", "/contacts/imports/", data={"file": (io.BytesIO(body), name, content_type)})
    return answer.status_code, answer.headers.get("Location", "")


def list_files(*folders: Path) -> set[str]:
    return {
        str(path) for folder in folders for path in folder.rglob("*") if path.is_file() and "logs" not in path.parts
    }


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:30]))
def test_no_name_of_a_file_becomes_a_file(house: House, name: str) -> None:
    folders = (house.scene.lux.data_dir, Path("/etc/cron.d"), Path(house.app.root_path) / "static")
    before = list_files(*folders)
    status, _ = upload(house, name, CSV)
    assert status in (303, 422)
    assert list_files(*folders) == before
    assert not list(Path("/tmp").glob("lux-planted*"))  # noqa: S108 - looked at, never written
    with house.app.app_context():
        kept = house.contents.connection.execute("SELECT file_name FROM contact_imports ORDER BY id DESC").fetchone()
    assert kept is not None
    assert "/" not in kept[0] and "\\" not in kept[0] and "\0" not in kept[0] and len(kept[0]) <= 120


@pytest.mark.parametrize("kind", NO_TABLES)
@pytest.mark.parametrize("content_type", ["text/csv", "application/octet-stream"])
def test_what_is_no_table_is_refused_by_what_it_is(house: House, kind: str, content_type: str) -> None:
    count = house.contents.connection.execute("SELECT count(*) FROM contact_imports").fetchone()
    # With lines behind it that would make a table, unless it is nothing at all.
    rows = b"\nemail,name\nann@example.com,Ann\n" if NO_TABLES[kind].strip() else b""
    assert upload(house, "people.csv", NO_TABLES[kind] + rows, content_type)[0] == 422
    assert house.contents.connection.execute("SELECT count(*) FROM contact_imports").fetchone() == count


def test_a_file_that_is_too_large_is_refused_before_it_is_read(house: House) -> None:
    assert upload(house, "people.csv", CSV + b"x@example.com,y\n" * 1_400_000)[0] == 413
    assert upload(house, "people.csv", CSV + b"x@example.com,y\n" * 1_200_000)[0] == 422


def test_what_strangers_sent_comes_back_as_a_download_that_no_browser_opens(house: House) -> None:
    house.contents.connection.execute(
        "UPDATE intake_bodies SET body = %s, content_type = 'text/html'", (b"<script>luxRan()</script>",)
    )
    rules = [rule for rule in house.app.url_map.iter_rules() if "GET" in (rule.methods or set())]
    downloads = set()
    for rule in rules:
        answer = house.ask("owner", "GET", house.address_of(rule))
        if b"<script>luxRan()" in answer.get_data():
            downloads.add(rule.endpoint)
            assert answer.mimetype in ("application/octet-stream", "text/plain"), rule.rule
            assert answer.headers["Content-Disposition"].startswith("attachment"), rule.rule
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert downloads == {"webhook_inbox.download"}
