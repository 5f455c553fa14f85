"""CSV as spreadsheets write it, read into rows of clean text; and rows written so that no cell becomes a formula."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lib.clean_text import clean_text

DELIMITERS = (",", ";", "\t", "|")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
MOST_COLUMNS = 100
LONGEST_CELL = 10_000
# How files begin that are no text: PNG, JPEG, GIF, RIFF, gzip, zlib, bzip2, xz, zstd, 7z, RAR, ELF, Windows programs.
OTHER_FILES = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF", b"\x1f\x8b", b"x\x9c", b"x\xda", b"x\x01", b"BZh",
    b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!\x1a", b"\x7fELF", b"MZ\x90\x00",
)  # fmt: skip
SAMPLE_CHARACTERS = 64 * 1024
SAMPLE_ROWS = 20


class CsvUnreadable(ValueError):
    """The bytes are not a table that LUX can read; the text says why in one sentence."""


@dataclass(frozen=True)
class CsvTable:
    """A table as text, with the delimiter that it uses and the encoding it was read by."""

    text: str
    delimiter: str
    encoding: str

    def rows(self) -> Iterator[list[str]]:
        """Every row that says something, its cells cleaned; rows of blanks are left out.

        Raises CsvUnreadable where a quote is never closed or a cell never ends.
        """
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)
        try:
            for row in reader:
                cells = [clean_text(cell).strip() for cell in row[:MOST_COLUMNS]]
                if any(cells):
                    yield cells
        except csv.Error as error:
            raise CsvUnreadable(f"Line {reader.line_num} cannot be read: is a quotation mark never closed?") from error


def read_table(raw: bytes) -> CsvTable:
    """Reads bytes as a table: UTF-8, UTF-16 or Windows-1252; comma, semicolon, tab or bar. Raises CsvUnreadable."""
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise CsvUnreadable("This is a spreadsheet file. Save it as CSV in your spreadsheet program, then upload that.")
    if raw.startswith(b"%PDF"):
        raise CsvUnreadable("This is a PDF, not a CSV file.")
    if raw.startswith(OTHER_FILES) or raw[257:262] == b"ustar":
        raise CsvUnreadable("This is an image, an archive or a program, not a CSV file.")
    text, encoding = _decoded(raw)
    if not text.strip():
        raise CsvUnreadable("The file is empty.")
    first, _, rest = text.partition("\n")
    declared = first.strip().lower()
    if declared.startswith("sep=") and len(declared) == 5:
        return CsvTable(rest, declared[4], encoding)
    return CsvTable(text, _find_delimiter(text[:SAMPLE_CHARACTERS]), encoding)


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _is_formula(cell) else cell


def unguarded(cell: str) -> str:
    """A cell as it was before guarded()."""
    return cell[1:] if cell[:1] == "'" and _is_formula(cell[1:]) else cell


def _is_formula(cell: str) -> bool:
    return cell.startswith(FORMULA_STARTS) or cell.lstrip().startswith(FORMULA_STARTS)


def write_row(cells: Iterable[object]) -> str:
    """One line of CSV, every cell guarded."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([guarded("" if cell is None else str(cell)) for cell in cells])
    return line.getvalue()


def write_rows(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A whole file in pieces, with the mark by which Excel knows UTF-8."""
    yield "\ufeff" + write_row(header)
    for row in rows:
        yield write_row(row)


def _decoded(raw: bytes) -> tuple[str, str]:
    for mark, codec, name in (
        (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
        (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
    ):
        if raw.startswith(mark):
            return raw.decode(codec, "replace").lstrip("\ufeff"), name
    head = raw[:2000]
    if head.count(0) > len(head) // 4:
        codec = "utf-16-le" if head[1::2].count(0) > head[0::2].count(0) else "utf-16-be"
        return raw.decode(codec, "replace"), "UTF-16"
    try:
        return raw.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        return raw.decode("cp1252", "cp1252_or_latin1"), "Windows-1252"


def _find_delimiter(sample: str) -> str:
    """The delimiter that cuts most rows into the same number of cells, more than one."""
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        widths = _widths(sample, delimiter)
        if not widths or widths[0] < 2:
            continue
        score = sum(width == widths[0] for width in widths) / len(widths) + min(widths[0], 20) / 1000
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _widths(sample: str, delimiter: str) -> list[int]:
    widths = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            if any(cell.strip() for cell in row):
                widths.append(len(row))
            if len(widths) >= SAMPLE_ROWS:
                break
    except csv.Error:
        return widths
    return widths
