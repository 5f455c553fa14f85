"""CSV read as spreadsheets write it, and written so that no cell becomes a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.csv_rows import FORMULA_STARTS, CsvUnreadable, guarded, read_table, unguarded, write_row, write_rows


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        ("name,email\nZoë,z@example.com\n".encode(), "UTF-8"),
        ("\ufeffname,email\nZoë,z@example.com\n".encode(), "UTF-8"),
        ("name,email\nZoë,z@example.com\n".encode("utf-16"), "UTF-16"),
        ("name,email\nZoë,z@example.com\n".encode("utf-16-le"), "UTF-16"),
        ("name,email\nZoë,z@example.com\n".encode("utf-16-be"), "UTF-16"),
        ("name,email\nZoë,z@example.com\n".encode("cp1252"), "Windows-1252"),
        (b"name,email\nZo\xeb\x81,z@example.com\n", "Windows-1252"),
    ],
)
def test_it_reads_the_encodings_of_spreadsheets(raw: bytes, encoding: str) -> None:
    table = read_table(raw)
    assert table.encoding == encoding
    assert list(table.rows())[1][1] == "z@example.com"
    assert list(table.rows())[1][0].startswith("Zoë")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_it_finds_the_delimiter_even_beside_commas_in_quotes(delimiter: str) -> None:
    text = delimiter.join(["name", "email"]) + "\n" + delimiter.join(['"Lee, Ann; the | one"', "a@example.com"]) + "\n"
    table = read_table(text.encode())
    assert (table.delimiter, list(table.rows())[1]) == (delimiter, ["Lee, Ann; the | one", "a@example.com"])


def test_a_line_that_names_the_delimiter_is_obeyed_and_left_out() -> None:
    table = read_table(b"sep=;\r\nname;email\r\nAnn,Lee;a@example.com\r\n")
    assert list(table.rows()) == [["name", "email"], ["Ann,Lee", "a@example.com"]]


def test_a_quoted_cell_may_hold_line_breaks_and_quotes() -> None:
    rows = list(read_table(b'name,note\n"Ann","first\nsecond ""quoted"""\n').rows())
    assert rows[1] == ["Ann", 'first\nsecond "quoted"']


def test_rows_of_blanks_are_left_out_and_nul_is_cleaned() -> None:
    assert list(read_table(b"a,b\n,,\n\n  ,\nx\x00y,z\n").rows()) == [["a", "b"], ["xy", "z"]]


@pytest.mark.parametrize(
    ("raw", "part"),
    [(b"", "empty"), (b" \n\n", "empty"), (b"PK\x03\x04rest", "Save it as CSV"), (b"%PDF-1.7", "PDF")],
)
def test_what_is_no_table_is_refused_in_one_sentence(raw: bytes, part: str) -> None:
    with pytest.raises(CsvUnreadable, match=part):
        read_table(raw)


def test_a_cell_without_an_end_names_its_line() -> None:
    with pytest.raises(CsvUnreadable, match="Line"):
        list(read_table(b'a,b\n"' + b"x" * 200_000 + b"\n").rows())


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_no_cell_begins_like_a_formula(start: str) -> None:
    hidden = [] if start.isspace() else [f" {start}1+1", f"\u00a0{start}cmd"]
    for cell in (f"{start}1+1", *hidden):
        assert guarded(cell).startswith("'")
        assert unguarded(guarded(cell)) == cell


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_every_written_cell_is_harmless_and_comes_back(cells: list[str]) -> None:
    cells = [cell.encode("utf-8", "ignore").decode() for cell in cells]
    row = next(csv.reader(io.StringIO(write_row(cells), newline="")), [""])
    assert [unguarded(cell) for cell in row] == [unguarded(guarded(cell)) for cell in cells]
    assert not any(cell.lstrip().startswith(FORMULA_STARTS) for cell in row)


def test_a_file_begins_with_the_mark_by_which_excel_knows_utf_8() -> None:
    assert "".join(write_rows(["name"], [["Zoë"], [None], [3]])) == '\ufeffname\r\nZoë\r\n""\r\n3\r\n'


@given(st.binary(max_size=400))
def test_any_bytes_give_rows_or_one_sentence(raw: bytes) -> None:
    try:
        rows = list(read_table(raw).rows())
    except CsvUnreadable as error:
        assert str(error)
    else:
        assert all("\x00" not in cell for row in rows for cell in row)
