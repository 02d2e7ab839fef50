"""Kind *files*: CSV in a folder."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from concord.errors import PlatformDown, PlatformRefused, UnreadableInput
from concord.platforms import csv_rows
from concord.platforms.base import Operation, Outcome, Record, Verb
from concord.platforms.conformance import (
    Bench,
    SourceSinkConformance,
    Trouble,
    assert_tells_nothing,
)
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files

HEADER = ["id", "first", "last", "note", "ref"]


def declaration(**changes: Any) -> PlatformDeclaration:
    base = {
        "kind": "files",
        "connection": "newsletter",
        "id": "id",
        "purpose": "marketing",
        "fields": {"given_name": "first", "family_name": "last"},
    }
    return PlatformDeclaration.model_validate({**base, **changes})


def files(folder: Path, **changes: Any) -> Files:
    connection = Connection("newsletter", "fs", str(folder))
    return Files("newsletter", declaration(**changes), connection, root=folder)


class FilesBench(Bench):
    first, second = "first", "last"
    poison: Mapping[str, Any] | None = {"first": "zero\0byte"}

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.file = folder / "contacts.csv"
        self.connector = files(folder, **changes)
        self._save([])
        self._added = 0

    def add(self, fields: Mapping[str, str | None]) -> str:
        self._added += 1
        row = {"id": str(self._added), **fields, "note": ""}
        self._save([*self._load(), row])
        return row["id"] or ""

    def edit(self, remote_id: str, fields: Mapping[str, str | None]) -> None:
        self._save([{**r, **fields} if r["id"] == remote_id else r for r in self._load()])

    def remove(self, remote_id: str) -> None:
        self._save([row for row in self._load() if row["id"] != remote_id])

    def annotate(self, remote_id: str, text: str) -> None:
        self.edit(remote_id, {"note": text})

    def annotation(self, remote_id: str) -> str | None:
        return next((row["note"] for row in self._load() if row["id"] == remote_id), None)

    def spoil(self) -> str:
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write("9,too,few\n")
        return "record.damaged"

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[Files | None]:
        folder, moved = self.file.parent, self.file.parent.with_suffix(".moved")
        if trouble is Trouble.DOWN:
            folder.rename(moved)
            yield self.connector
            moved.rename(folder)
        elif trouble is Trouble.REFUSES:
            folder.rename(moved)
            folder.symlink_to(folder.name)  # a link in a circle
            yield self.connector
            folder.unlink()
            moved.rename(folder)
        elif trouble is Trouble.BABBLES:
            kept = self.file.read_bytes()
            self.file.write_bytes(bytes(range(256)) * 4)
            yield self.connector
            self.file.write_bytes(kept)
        else:
            yield None

    def broken(self) -> Files:
        return files(self.file.parent / "nowhere")

    def fill(self, count: int) -> None:
        rows = [{"id": str(n), "first": f"first {n}", "last": "", "note": ""} for n in range(count)]
        self._save([*self._load(), *rows])

    def _load(self) -> list[dict[str, Any]]:
        with self.file.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def _save(self, rows: list[dict[str, Any]]) -> None:
        with self.file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, HEADER)
            writer.writeheader()
            writer.writerows(rows)


class TestFilesConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return FilesBench(tmp_path)


class TestFilesWithExternalIdConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return FilesBench(tmp_path, external_id="ref")


def put(folder: Path, content: str | bytes, name: str = "contacts.csv") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def listed(folder: Path, **changes: Any) -> list[Record]:
    return [record for page in files(folder, **changes).listing() for record in page.records]


def firsts(folder: Path, **changes: Any) -> list[Any]:
    return [record.fields.get("first") for record in listed(folder, **changes)]


def faults(folder: Path, **changes: Any) -> list[tuple[str | None, str | None, str | None]]:
    return [(one.remote_id, one.fault, one.place) for one in listed(folder, **changes)]


def update(remote_id: str, first: str, expect: str | None) -> Operation:
    return Operation("u", Verb.UPDATE, remote_id, "p", {"first": first}, {"first": expect})


def create(person_id: str, **values: str | None) -> Operation:
    return Operation(f"c {person_id}", Verb.CREATE, None, person_id, values)


# What is read


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_detected_and_shown(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    text = 'id,first,last\r\n1,Zoë,"M, ü"\r\n2,Jürgen,Größe\r\n'
    put(tmp_path, text.replace(",", delimiter).encode(encoding))
    assert firsts(tmp_path) == ["Zoë", "Jürgen"]
    notes = " ".join(files(tmp_path).check().notes)
    assert repr(delimiter) in notes
    assert encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be") in notes
    assert "CRLF" in notes


def test_another_code_page_is_guessed_where_the_usual_one_makes_no_sense(tmp_path: Path) -> None:
    put(tmp_path, ("id,first,last\n" + "7,Иван,Петров\n" * 5).encode("cp1251"))
    assert firsts(tmp_path)[0] == "Иван"
    assert "cp1251 (guessed; declare `encoding:`)" in files(tmp_path).check().notes[1]


def test_a_declared_encoding_and_delimiter_are_believed(tmp_path: Path) -> None:
    put(tmp_path, "id;first;last\n1;Łukasz;x,y\n".encode("iso-8859-2"))
    changes = {"encoding": "iso-8859-2", "delimiter": ";"}
    assert firsts(tmp_path, **changes) == ["Łukasz"]
    with pytest.raises(PlatformRefused, match="no text encoding is called 'utf-9'"):
        files(tmp_path, encoding="utf-9")


def test_a_line_that_names_the_delimiter_is_no_header(tmp_path: Path) -> None:
    file = put(tmp_path, "sep=;\r\nid;first;last\r\n1;a,b;c\r\n;x;y\r\n")
    assert listed(tmp_path)[0].fields == {"first": "a,b", "last": "c"}
    assert faults(tmp_path)[1][2] == "contacts.csv:4"
    files(tmp_path).write([update("1", "z", "a,b")])
    assert file.read_text(encoding="utf-8").startswith("sep=;\n")


def test_embedded_line_ends_and_quotes_are_part_of_the_text(tmp_path: Path) -> None:
    put(tmp_path, 'id,first,last\n1,"a\r\nb\n\nc","say ""hi"""\n\n2,x,y\n,,\n')
    assert [dict(one.fields) for one in listed(tmp_path)] == [
        {"first": "a\r\nb\n\nc", "last": 'say "hi"'},
        {"first": "x", "last": "y"},
    ]


@pytest.mark.parametrize(
    "damaged",
    [
        '2,"Bob,x',  # a quote that is never closed
        '2,"Bob"by,x',
        "2,Bob",
        "2,Bob,x,y",
        "2,B\0b,x",
    ],
)
def test_a_damaged_row_is_named_and_takes_no_neighbour_with_it(
    tmp_path: Path, damaged: str
) -> None:
    put(tmp_path, f'id,first,last\n1,Ann,"x\ny"\n{damaged}\n3,"Cid",z\n4,Dora,"q"\n')
    found = listed(tmp_path)
    assert [one.fields.get("first") for one in found] == ["Ann", None, "Cid", "Dora"]
    assert (found[1].fault, found[1].place) == ("record.damaged", "contacts.csv:3")
    assert found[1].remote_id in ("2", None)


def test_a_quote_that_is_open_for_thousands_of_rows_damages_one(tmp_path: Path) -> None:
    rest = "".join(f"{n},first {n},x\n" for n in range(2, 5000))
    put(tmp_path, f'id,first,last\n1,"Ann,x\n{rest}')
    found = listed(tmp_path)
    assert [one.fault for one in found[:2]] == ["record.damaged", None]
    assert len(found) == 4999


def test_quotes_that_match_nowhere_end_in_an_error_and_not_in_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "_MOST_LINES_AGAIN", 20_000)
    put(tmp_path, "id,first,last\n" + ('1,"a\n' + "x\n" * 998 + '"b\n') * 21)
    with pytest.raises(UnreadableInput, match="quotes that do not match"):
        listed(tmp_path)


def test_the_id_of_a_ragged_row_is_believed_only_where_it_comes_first(tmp_path: Path) -> None:
    put(tmp_path, "id,first,last\n2,Bob\n")
    assert faults(tmp_path) == [("2", "record.damaged", "contacts.csv:2")]
    put(tmp_path, "first,id,last\nBob,2\n")
    assert faults(tmp_path) == [(None, "record.damaged", "contacts.csv:2")]


def test_missing_and_repeated_ids_are_faults_of_the_later_row(tmp_path: Path) -> None:
    put(tmp_path, "id,first,last\n1,Ann,x\n ,Bob,y\n1 ,Cid,z\n")
    assert faults(tmp_path) == [
        ("1", None, None),
        (None, "id.missing", "contacts.csv:3"),
        ("1", "id.duplicate", "contacts.csv:4"),
    ]
    assert files(tmp_path).read(["1"])[0].fields["first"] == "Ann"


def test_a_header_that_is_repeated_in_the_file_is_no_record(tmp_path: Path) -> None:
    put(tmp_path, "id,first,last\n1,Ann,x\nid,first,last\n2,Bob,y\n")
    assert [one.fault for one in listed(tmp_path)] == [None, "record.damaged", None]


def test_one_row_in_another_encoding_is_damaged_and_the_others_are_read(tmp_path: Path) -> None:
    good = "id,first,last\n1,Zoë,x\n2,Jürgen,y\n".encode()
    put(tmp_path, good + "3,Zoë,z\n".encode("cp1252") + b"4,Ann,z\n")
    assert [(one.remote_id, one.fault) for one in listed(tmp_path)] == [
        ("1", None),
        ("2", None),
        ("3", "record.damaged"),
        ("4", None),
    ]


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "has no header row"),
        ("\n\n", "has no header row"),
        ("id,first\n1,Ann\n", "lacks the column 'last'"),
        ("id,First Name,last\n1,Ann,x\n", "lacks the column 'first'"),
        ("id,frist,last\n1,Ann,x\n", "lacks the column 'first'; is it 'frist' now"),
        ("ID,first,last\n1,Ann,x\n", "lacks the column 'id'; is it 'ID' now"),
        ("id,first,first,last\n1,a,b,c\n", "has the column 'first' 2 times"),
        ("7,Ann Canary,Canary\n8,Bob,x\n", "lacks the column 'id'"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_with_the_column_and_the_file(
    tmp_path: Path, text: str, sentence: str
) -> None:
    put(tmp_path, text)
    with pytest.raises(UnreadableInput, match=f"^contacts.csv: {sentence}") as caught:
        listed(tmp_path)
    assert_tells_nothing(caught.value, "Canary")


def test_a_doubled_column_that_is_not_mapped_does_not_matter(tmp_path: Path) -> None:
    put(tmp_path, "id,x,first,x,last,\n1,a,Ann,b,c,\n")
    assert firsts(tmp_path) == ["Ann"]


def test_half_a_letter_at_the_end_of_utf_16_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "id,first,last\n1,Ann,x\n".encode("utf-16")[:-1])
    with pytest.raises(UnreadableInput, match="encoding") as caught:
        listed(tmp_path)
    assert_tells_nothing(caught.value, "Ann")


def test_a_line_without_an_end_and_a_huge_cell_are_refused_with_the_row(tmp_path: Path) -> None:
    put(tmp_path, "id,first,last\n1,Ann,x\n2," + "x" * 1_500_000)
    with pytest.raises(UnreadableInput, match=r"contacts\.csv, row 3"):
        listed(tmp_path)
    put(tmp_path, "id,first,last\n1,Ann,x\n2," + "x" * 200_000 + ",y\n3,Cid,z\n")
    assert [one.fault for one in listed(tmp_path)] == [None, "record.damaged", None]


def test_only_instants_with_a_zone_date_a_row(tmp_path: Path) -> None:
    rows = "1,a,b,2026-11-25T09:00:00+01:00\n2,a,b,2026-11-25 09:00:00\n3,a,b,yesterday\n"
    put(tmp_path, "id,first,last,changed\n" + rows)
    found = [one.modified_at for one in listed(tmp_path, updated_at="changed")]
    assert [one and one.isoformat() for one in found] == ["2026-11-25T08:00:00+00:00", None, None]
    put(tmp_path, "id,first,last,changed\n2,a,b,2026-11-25 09:00:00\n")
    assert "dates nothing" in files(tmp_path, updated_at="changed").check().notes[-1]


# Which file


def test_the_file_modified_last_counts_and_the_last_name_of_two_at_one_instant(
    tmp_path: Path,
) -> None:
    for name, date in [("b.csv", 2), ("a.csv", 3), ("c.csv", 1), ("d.txt", 9)]:
        os.utime(put(tmp_path, f"id,first,last\n1,{name},x\n", name), (date, date))
    assert firsts(tmp_path) == ["a.csv"]
    os.utime(tmp_path / "b.csv", (3, 3))
    assert firsts(tmp_path) == ["b.csv"]
    assert "2 older ones" in files(tmp_path).check().notes[0]


def test_the_same_content_in_a_newer_file_is_no_news(tmp_path: Path) -> None:
    text = "id,first,last\n1,Ann,x\n"
    put(tmp_path, text, "a.csv")
    *_, page = files(tmp_path).listing()
    put(tmp_path, text, "b.csv")
    (again,) = files(tmp_path).changes(page.cursor or "")
    assert (again.records, again.full, again.cursor) == ([], False, page.cursor)


def test_no_file_yet_is_a_reason_to_come_back(tmp_path: Path) -> None:
    with pytest.raises(PlatformDown, match=r"no file matches \*.csv"):
        listed(tmp_path)


def opened(root: Path, **connection: Any) -> Files:
    return Files("newsletter", declaration(), Connection("newsletter", **connection), root=root)


@pytest.mark.parametrize("found", ["host", "schema", "path"])
def test_the_connection_names_the_folder_as_airflow_reads_a_uri_or_json(
    tmp_path: Path, found: str
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    put(folder, "id,first,last\n1,Ann,x\n")
    said = {
        "host": {"host": str(folder)},
        "schema": {"schema": str(folder).removeprefix("/")},  # of fs:///…, as Airflow takes it in
        "path": {"extra": {"path": str(folder)}},
    }
    (page,) = opened(tmp_path / "project", **said[found]).listing()
    assert len(page.records) == 1


def test_the_folder_that_was_searched_is_named_from_the_project(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "exports"
    (project / "in").mkdir(parents=True)
    outside.mkdir()
    with pytest.raises(PlatformDown, match=r"no file matches \*\.csv in its folder, in$"):
        list(opened(project, host="in").listing())
    with pytest.raises(PlatformDown, match=rf"no file .* in its folder, {outside}$"):
        list(opened(project, host=str(outside)).listing())
    with pytest.raises(PlatformDown, match=r"the project itself; name a folder in the connection"):
        list(opened(project).listing())
    with pytest.raises(PlatformDown, match=r"is not there: nowhere \[ENOENT\]"):
        list(opened(project, host="nowhere").listing())


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    secret = put(outside, "id,first,last\n1,Secret,x\n")
    with pytest.raises(PlatformRefused, match="leaves the connection's folder"):
        listed(inside, path="../out")
    (inside / "door").symlink_to(outside)
    with pytest.raises(PlatformRefused, match="leaves the connection's folder"):
        listed(inside, path="door")
    with pytest.raises(PlatformDown, match="no file matches"):
        listed(inside, pattern="../out/*.csv")
    (inside / "x.csv").symlink_to(secret)
    with pytest.raises(UnreadableInput, match=r"x\.csv: is a symbolic link"):
        listed(inside)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(PlatformDown, match="no file matches"):
        listed(tmp_path)


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with put(tmp_path, "id,first,last\n").open("r+b") as stream:
        stream.truncate(1 << 31)
    with pytest.raises(UnreadableInput, match="larger than 1024 MiB"):
        listed(tmp_path)


def test_a_file_that_grows_while_it_is_read_is_not_believed(tmp_path: Path) -> None:
    file = put(tmp_path, "id,first,last\n" + "".join(f"{n},Ann,x\n" for n in range(1200)))
    pages = files(tmp_path).listing()
    next(pages)
    with file.open("a", encoding="utf-8") as stream:
        stream.write("9999,Bob,y\n")
    with pytest.raises(PlatformDown, match="changed while it was read"):
        list(pages)


def test_a_relative_folder_is_relative_to_the_project(tmp_path: Path) -> None:
    (tmp_path / "data" / "in").mkdir(parents=True)
    put(tmp_path / "data" / "in", "id,first,last\n1,Ann,x\n")
    connection = Connection("newsletter", "fs", extra={"path": "data"})
    source = Files("newsletter", declaration(path="in"), connection, root=tmp_path)
    assert len(source.read(["1"])) == 1


# What is written


def test_a_write_changes_the_named_cells_and_no_other_byte(tmp_path: Path) -> None:
    before = (
        '"id";first ;"last";note;note\r\n'
        '1;"Ann";"x";"a ""b""; c";\r\n'
        "\r\n"
        "2;Bob;y;;é\r\n"
        "3;broken\r\n"
        '4;"Cid";;"two\nlines";'
    ).encode("utf-8-sig")
    file = put(tmp_path, before)
    (receipt,) = files(tmp_path).write([update("4", "C;d", "Cid")])
    assert receipt.outcome is Outcome.OK
    assert file.read_bytes() == before.replace(b'"Cid"', b'"C;d"')
    files(tmp_path).write([update("1", "Zoë", "Ann"), create("p9", first="New", last=None)])
    after = before.replace(b'"Cid"', b'"C;d"').replace(b'"Ann"', '"Zoë"'.encode())
    assert file.read_bytes() == after + b"\r\nconcord-p9;New;;;\r\n"


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_a_new_row_takes_the_encoding_and_quotes_of_the_file(tmp_path: Path, encoding: str) -> None:
    before = '"id"|"first"|"last"\n"1"|"Zoë"|"x"\n'.encode(encoding)
    file = put(tmp_path, before)
    receipts = files(tmp_path).write([create("p1", first="Jürg"), create("p2", first="日本")])
    refused = encoding == "cp1252"
    assert [one.outcome for one in receipts] == [
        Outcome.OK,
        Outcome.REJECTED if refused else Outcome.OK,
    ]
    text = file.read_bytes().decode(encoding)
    assert text.startswith(before.decode(encoding) + '"concord-p1"|"Jürg"|""\n')
    assert receipts[1].code == ("encoding" if refused else "")


def test_a_batch_that_changes_nothing_leaves_the_file_itself_alone(tmp_path: Path) -> None:
    file = put(tmp_path, "id,first,last\n1,Ann,x\n")
    before = file.stat()
    receipts = files(tmp_path).write([update("1", "Bob", "Zoe"), update("1", "Ann", "Zoe")])
    assert [one.outcome for one in receipts] == [Outcome.CONFLICT, Outcome.OK]
    assert file.stat().st_ino == before.st_ino
    assert [one.name for one in tmp_path.iterdir() if "lock" not in one.name] == ["contacts.csv"]


def test_a_file_that_changes_while_it_is_rewritten_is_left_as_it_is(tmp_path: Path) -> None:
    file = put(tmp_path, "id,first,last\n1,Ann,x\n")
    folder = files(tmp_path)._folder

    def fill(stream: Any) -> bool:
        stream.write(b"ours")
        os.replace(put(tmp_path, "id,first,last\n2,Bob,y\n", "new"), file)
        return True

    with folder.newest() as found, pytest.raises(PlatformDown, match="nothing was written"):
        folder.replace(found, fill)
    assert firsts(tmp_path) == ["Bob"]
    assert not (tmp_path / ".concord.unfinished").exists()


def test_a_newer_file_that_comes_while_the_old_one_is_rewritten_stops_the_write(
    tmp_path: Path,
) -> None:
    put(tmp_path, "id,first,last\n1,Ann,x\n", "a.csv")
    folder = files(tmp_path)._folder
    with folder.newest() as found, pytest.raises(PlatformDown, match="nothing was written"):
        folder.replace(found, lambda _: bool(put(tmp_path, "id,first,last\n", "b.csv")))


def test_only_one_writes_at_a_time_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    put(tmp_path, "id,first,last\n1,Ann,x\n")
    (tmp_path / ".concord.unfinished").write_text("half")
    with (tmp_path / ".concord.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PlatformDown, match="somebody else writes"):
            files(tmp_path).write([update("1", "Bob", "Ann")])
    assert files(tmp_path).write([update("1", "Bob", "Ann")])[0].outcome is Outcome.OK
    assert not (tmp_path / ".concord.unfinished").exists()


def test_a_rewritten_file_keeps_its_rights_and_stays_the_newest(tmp_path: Path) -> None:
    for name, date in [("a.csv", 4_000_000_000), ("b.csv", 3_999_999_999)]:
        os.utime(put(tmp_path, f"id,first,last\n1,{name},x\n", name), (date, date))
    (tmp_path / "a.csv").chmod(0o640)
    files(tmp_path).write([update("1", "Bob", "a.csv")])
    assert firsts(tmp_path) == ["Bob"]
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o640


def test_a_damaged_row_is_not_written_over(tmp_path: Path) -> None:
    file = put(tmp_path, "id,first,last\n1,Ann\nconcord-p1,Ann\n")
    before = file.read_bytes()
    receipts = files(tmp_path).write([update("1", "Bob", "Ann"), create("p1", first="Ann")])
    assert [one.outcome for one in receipts] == [Outcome.CONFLICT, Outcome.EXISTS]
    assert file.read_bytes() == before


def test_a_created_row_carries_the_person_in_its_id_and_in_a_declared_column(
    tmp_path: Path,
) -> None:
    file = put(tmp_path, "ref,id,first,last\n")
    (receipt,) = files(tmp_path, external_id="ref").write([create("p1", first="Ann")])
    assert receipt.record is not None
    assert receipt.record.remote_id == "concord-p1"
    assert file.read_text(encoding="utf-8") == "ref,id,first,last\np1,concord-p1,Ann,\n"


# Properties

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
spoiled = st.text(st.sampled_from('",;\t|\r\n aé\u2028\x85\ufeff='), max_size=6)
cells = st.one_of(texts, spoiled)
tables = st.lists(st.tuples(cells, cells, cells), max_size=8)
codecs = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
line_ends = st.sampled_from(["\r\n", "\n", "\r"])
quotings = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])


def written(rows: list[tuple[str, str, str]], delimiter: str, line_end: str, quoting: Any) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=quoting)
    out = []
    table = [("id", "first", "last", "note"), *((str(n), *row) for n, row in enumerate(rows))]
    for row in table:
        text.seek(0)
        text.truncate()
        writer.writerow(row)
        out.append(text.getvalue().removesuffix("\r\n") + line_end)
    return "".join(out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv")


@given(tables, st.sampled_from(",;\t|"), line_ends, quotings, codecs)
def test_any_table_reads_back_as_it_was_written(
    folder: Path,
    table: list[tuple[str, str, str]],
    delimiter: str,
    line_end: str,
    quoting: Any,
    codec: str,
) -> None:
    text = written(table, delimiter, line_end, quoting)
    put(folder, text.encode(codec))
    assert [(one.fields.get("first"), one.fields.get("last")) for one in listed(folder)] == [
        (first or None, last or None) for first, last, _ in table
    ]
    assert all(one.fault is None for one in listed(folder))


@given(tables, st.sampled_from(",;\t|"), line_ends, quotings, codecs, cells, st.data())
def test_a_write_keeps_every_other_row_byte_by_byte(
    folder: Path,
    table: list[tuple[str, str, str]],
    delimiter: str,
    line_end: str,
    quoting: Any,
    codec: str,
    value: str,
    data: st.DataObject,
) -> None:
    assume(table)
    target = data.draw(st.integers(0, len(table) - 1))
    before = written(table, delimiter, line_end, quoting)
    file = put(folder, before.encode(codec))
    first, last, note = table[target]
    assume(value != first)
    (receipt,) = files(folder).write([update(str(target), value, first or None)])
    assert receipt.outcome is Outcome.OK
    after = file.read_bytes().decode(codec)
    start = written(table[:target], delimiter, line_end, quoting)
    end = before[len(written(table[: target + 1], delimiter, line_end, quoting)) :]
    assert after.startswith(start)
    assert after.endswith(end)
    (changed,) = files(folder).read([str(target)])
    assert changed == receipt.record
    assert changed.fields == {"first": value or None, "last": last or None}
    expected = [*table[:target], (value, last, note), *table[target + 1 :]]
    parsed = csv.reader(io.StringIO(after, newline=""), delimiter=delimiter, strict=True)
    assert [tuple(row[1:]) for row in parsed][1:] == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_and_never_anything_else(folder: Path, junk: bytes) -> None:
    put(folder, b"id,first,last\n1,Ann,x\n" + junk)
    try:
        found = listed(folder)
    except UnreadableInput:
        return
    assert all(one.fault or one.remote_id for one in found)


@given(st.lists(st.text('ab1,"\n\r', max_size=12), max_size=6))
def test_damage_never_reaches_a_sound_row_before_it(folder: Path, lines: list[str]) -> None:
    put(folder, "id,first,last\nx1,Ann,x\nx2,Bob,y\n" + "\n".join(lines))
    assert [one.fields.get("first") for one in listed(folder)][:2] == ["Ann", "Bob"]
