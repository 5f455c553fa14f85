"""CSV imports as a person steers them: upload, mapping, options, stop, undo; audience/import_runs.py does the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select, update

from accounts.audit import add_audit_entry
from audience.contacts import LONGEST_SOURCE, LONGEST_VALUE, read_tags
from audience.exports import stream_rows
from audience.import_runs import IMPORT_TASK, run_import
from audience.segments import add_segment, get_segment
from errors import Conflict, InputInvalid, NotFound
from extensions import db, defer
from lib.clean_text import cut, key_letters, one_line
from lib.csv_rows import CsvTable, CsvUnreadable, read_table, unguarded, write_rows
from lib.email_addresses import is_address
from lib.field_names import field_of, is_secret
from models import Contact, ContactImport, ContactImportRow

LARGEST_FILE_BYTES = 18 * 1024 * 1024
MOST_ROWS = 250_000
AT_ONCE_ROWS = 300
SAMPLE_ROWS = 5
FIELDS: list[tuple[str, str]] = [
    ("email", "E-mail"),
    ("name", "Full name"),
    ("first_name", "First name"),
    ("last_name", "Last name"),
    ("phone", "Phone"),
    ("source", "Source"),
    ("tags", "Tags, separated by commas"),
    ("attribute", "Keep as an attribute"),
    ("ignore", "Leave out"),
]
ONCE_FIELDS = ("email", "name", "first_name", "last_name", "phone", "source", "tags")
DUPLICATES = ("skip", "update")
TAG_KEYS = frozenset({"tag", "tags", "label", "labels", "schlagworte", "etiquetas"})
GUESSES = {"full_name": "name", "form": "source"}
BUSY_STATES = ("checking", "running", "stopping", "undoing")


@dataclass(frozen=True)
class Column:
    """A column of the file: its heading, some of its cells, and the field it goes to."""

    number: int
    heading: str
    samples: Sequence[str]
    field: str


@dataclass(frozen=True)
class ImportOptions:
    """What a person chose for an import."""

    duplicates: str = "skip"
    is_subscribing: bool = False
    statement: str = ""
    source: str = ""
    tags: str = ""
    segment_id: str = ""
    new_segment: str = ""
    columns: Mapping[int, str] = field(default_factory=dict)


def add_import(file_name: str, raw: bytes, *, actor: str, user_id: int | None = None) -> ContactImport:
    """Keeps an uploaded file and guesses what its columns mean. Commits. Raises InputInvalid({"file": …})."""
    if len(raw) > LARGEST_FILE_BYTES:
        raise InputInvalid({"file": f"The file is larger than {LARGEST_FILE_BYTES // 1024 // 1024} MB. Cut it in two."})
    try:
        table = read_table(raw)
        head, count = _head_and_count(table)
    except CsvUnreadable as error:
        raise InputInvalid({"file": str(error)}) from error
    has_header = not any(is_address(cell) for cell in head[0])
    if count - has_header < 1:
        raise InputInvalid({"file": "There is a heading but no row under it."})
    if count > MOST_ROWS:
        raise InputInvalid({"file": f"The file has more than {MOST_ROWS:,} rows. Cut it in two."})
    width = max(len(row) for row in head)
    headings = _headings(head[0] if has_header else [], width)
    samples = head[1 : SAMPLE_ROWS + 1] if has_header else head[:SAMPLE_ROWS]
    name = cut(one_line(file_name.rpartition("/")[2].rpartition("\\")[2]), 120) or "contacts.csv"
    made = ContactImport(
        file_name=name,
        content=raw,
        mapping={str(number): one for number, one in enumerate(_guess(headings, samples))},
        options={
            "has_header": has_header,
            "headings": headings,
            "samples": samples,
            "encoding": table.encoding,
            "delimiter": table.delimiter,
            "source": cut(f"Import: {name}", LONGEST_SOURCE),
            "duplicates": "skip",
            "by": actor,
        },
        totals={"rows": count - has_header},
        user_id=user_id,
    )
    db.session.add(made)
    db.session.commit()
    return made


def find_import(import_id: int) -> ContactImport | None:
    """The import of that id, or None."""
    return db.session.get(ContactImport, import_id)


def get_import(import_id: int) -> ContactImport:
    """The import of that id; raises NotFound."""
    found = find_import(import_id)
    if found is None:
        raise NotFound("There is no such import.")
    return found


def list_imports(limit: int = 50) -> list[ContactImport]:
    """The newest imports first."""
    return list(db.session.scalars(select(ContactImport).order_by(ContactImport.id.desc()).limit(limit)))


def list_columns(made: ContactImport) -> list[Column]:
    """The columns of an import's file with what they are mapped to."""
    samples = made.options["samples"]
    return [
        Column(
            number,
            heading,
            [row[number] for row in samples if number < len(row) and row[number]][:3],
            made.mapping.get(str(number), "ignore"),
        )
        for number, heading in enumerate(made.options["headings"])
    ]


def check_import(import_id: int, options: ImportOptions) -> ContactImport:
    """Takes mapping and options and starts the dry run, at once for a small file. Commits.

    Raises InputInvalid naming the field, NotFound, or Conflict when the import is past this.
    """
    made = _locked(import_id)
    if made.state not in ("mapping", "checking", "checked"):
        raise Conflict("This import has begun already.")
    wrong: dict[str, str] = {}
    mapping = _checked_mapping(made, options.columns, wrong)
    chosen = _checked_options(options, wrong)
    if wrong:
        raise InputInvalid(wrong)
    made.mapping = mapping
    made.options = {**made.options, **chosen}
    made.totals = {"rows": made.totals["rows"]}
    _forget_rows(import_id)
    return _start(made, "checking")


def start_import(import_id: int, *, actor: str | None = None, user_id: int | None = None) -> ContactImport:
    """Starts an import that was checked, or goes on with one that was stopped. Commits. Raises NotFound or Conflict.

    The audit trail names `actor`; without one, whoever uploaded the file.
    """
    made = _locked(import_id)
    if made.state not in ("checked", "stopped", "failed"):
        raise Conflict("This import cannot be started now.")
    if made.content is None:
        raise Conflict("The file of this import is not kept any more. Upload it again.")
    new_segment = made.options.get("new_segment")
    if new_segment:
        segment = add_segment(new_segment, made_by="import")
        made = _locked(import_id)
        made.options = {**made.options, "segment_id": segment.id, "new_segment": ""}
    if made.started_at is None:
        _forget_rows(import_id)
        made.totals = {"rows": made.totals["rows"]}
        made.started_at = datetime.now(UTC)
    _note(made, "import_started", actor, user_id)
    return _start(made, "running")


def stop_import(import_id: int) -> None:
    """Asks a running import to stop after the rows in hand. Commits. Raises Conflict when it is not running."""
    changed = db.session.execute(
        update(ContactImport)
        .where(ContactImport.id == import_id, ContactImport.state.in_(("running", "checking")))
        .values(state="stopping")
        .returning(ContactImport.id)
    ).first()
    db.session.commit()
    if changed is None:
        raise Conflict("This import is not running.")


def undo_import(import_id: int, *, actor: str | None = None, user_id: int | None = None) -> ContactImport:
    """Starts to take an import back, and writes down who did. Commits. Raises NotFound or Conflict."""
    made = _locked(import_id)
    if made.state not in ("done", "stopped", "failed") or made.started_at is None:
        raise Conflict("There is nothing to undo.")
    made.totals = {**made.totals, "undone": 0, "kept": 0}
    _note(made, "import_undone", actor, user_id)
    return _start(made, "undoing")


def list_rows(
    import_id: int, *, outcome: str = "", after: int = 0, limit: int = 50
) -> list[tuple[ContactImportRow, Contact | None]]:
    """Rows of an import with their contacts, in the file's order, after the row of a number."""
    query = (
        select(ContactImportRow, Contact)
        .outerjoin(Contact, Contact.id == ContactImportRow.contact_id)
        .where(ContactImportRow.import_id == import_id, ContactImportRow.row_number > after)
        .order_by(ContactImportRow.row_number)
        .limit(limit)
    )
    if outcome:
        query = query.where(ContactImportRow.outcome == outcome)
    return [(row, contact) for row, contact in db.session.execute(query)]


def stream_refused_rows(made: ContactImport) -> Iterator[str]:
    """The rows that could not be taken, as CSV: the file's own columns, then the line and the reason."""
    query = (
        select(ContactImportRow)
        .where(ContactImportRow.import_id == made.id, ContactImportRow.complaint.is_not(None))
        .order_by(ContactImportRow.row_number)
    )
    width = len(made.options["headings"])
    rows = (
        [*((row.before or {}).get("cells", []) + [""] * width)[:width], row.row_number, row.complaint]
        for row in stream_rows(query)
    )
    return write_rows([*made.options["headings"], "LUX line", "LUX reason"], rows)


def _head_and_count(table: CsvTable) -> tuple[list[list[str]], int]:
    head: list[list[str]] = []
    count = 0
    for row in table.rows():
        if count <= SAMPLE_ROWS:
            head.append([cut(unguarded(cell), 200) for cell in row])
        count += 1
    if not head:
        raise CsvUnreadable("The file is empty.")
    return head, count


def _headings(given: Sequence[str], width: int) -> list[str]:
    padded = [*given, *[""] * (width - len(given))]
    return [one_line(heading)[:100] or f"Column {number}" for number, heading in enumerate(padded, 1)]


def _guess(headings: Sequence[str], samples: Sequence[Sequence[str]]) -> list[str]:
    """What each column means: by its heading, else by addresses under it; each field once."""
    guessed = [_guess_one(heading) for heading in headings]
    if "email" not in guessed:
        for number in range(len(headings)):
            if any(number < len(row) and is_address(row[number]) for row in samples):
                guessed[number] = "email"
                break
    seen: set[str] = set()
    for number, one in enumerate(guessed):
        if one in seen and one in ONCE_FIELDS:
            guessed[number] = "attribute"
        seen.add(one)
    return guessed


def _guess_one(heading: str) -> str:
    if key_letters(heading) in TAG_KEYS:
        return "tags"
    if is_secret(heading):
        return "ignore"
    found = field_of(heading)
    return GUESSES.get(found, found) if found else "attribute"


def _checked_mapping(made: ContactImport, columns: Mapping[int, str], wrong: dict[str, str]) -> dict[str, str]:
    known = {name for name, _ in FIELDS}
    mapping: dict[str, str] = {}
    for number, heading in enumerate(made.options["headings"]):
        chosen = columns.get(number, "ignore")
        if chosen not in known:
            wrong[f"column-{number}"] = f"Choose what “{heading}” means."
        elif chosen in ONCE_FIELDS and chosen in mapping.values():
            wrong[f"column-{number}"] = f"“{heading}” has the same meaning as a column before it."
        mapping[str(number)] = chosen
    if "email" not in mapping.values() and not wrong:
        wrong["column-0"] = "Choose the column that holds the e-mail address."
    return mapping


def _checked_options(options: ImportOptions, wrong: dict[str, str]) -> dict[str, Any]:
    statement = one_line(options.statement)
    if options.is_subscribing and not statement:
        wrong["statement"] = "Say how and when these people agreed to get e-mail from you."
    if len(statement) > LONGEST_VALUE:
        wrong["statement"] = f"The statement is longer than {LONGEST_VALUE} characters."
    if options.duplicates not in DUPLICATES:
        wrong["duplicates"] = "Choose what happens to contacts that LUX knows already."
    segment_id: int | None = None
    new_segment = ""
    if options.segment_id == "new":
        new_segment = one_line(options.new_segment)[:120]
        if not new_segment:
            wrong["new_segment"] = "Give the new segment a name."
    elif options.segment_id:
        try:
            segment_id = get_segment(int(options.segment_id)).id
        except (ValueError, NotFound):
            wrong["segment_id"] = "Choose a segment."
    return {
        "duplicates": options.duplicates,
        "is_subscribing": options.is_subscribing,
        "statement": statement,
        "source": one_line(options.source)[:LONGEST_SOURCE],
        "tags": read_tags(options.tags),
        "segment_id": segment_id,
        "new_segment": new_segment,
    }


def _forget_rows(import_id: int) -> None:
    db.session.execute(
        delete(ContactImportRow)
        .where(ContactImportRow.import_id == import_id)
        .execution_options(synchronize_session=False)
    )


def _note(made: ContactImport, action: str, actor: str | None, user_id: int | None) -> None:
    add_audit_entry(
        action,
        actor=actor or made.options["by"],
        user_id=user_id if actor else made.user_id,
        subject=made.file_name,
        import_id=made.id,
        rows=made.totals["rows"],
        subscribes=made.options.get("is_subscribing", False),
    )


def _start(made: ContactImport, state: str) -> ContactImport:
    made.state = state
    made.error = None
    if made.totals["rows"] > AT_ONCE_ROWS:
        defer(db.session(), IMPORT_TASK, lock=f"import:{made.id}", import_id=made.id)
        db.session.commit()
        return made
    db.session.commit()
    run_import(made.id)
    return get_import(made.id)


def _locked(import_id: int) -> ContactImport:
    made = db.session.get(ContactImport, import_id, with_for_update=True, populate_existing=True)
    if made is None:
        raise NotFound("There is no such import.")
    return made
