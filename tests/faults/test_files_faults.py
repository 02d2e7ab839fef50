"""Folders and files at their worst: read right, or refused with file and row, and never half."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from full_disk import full_disk

from concord.errors import ConcordError, PlatformDown, PlatformRefused, UnreadableInput
from concord.platforms.base import Operation, Record, Verb
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files

HEADER = "id,first,last\n"
CREATE = Operation("c", Verb.CREATE, None, "p", {"first": "Canary"})


def files(folder: Path, **changes: Any) -> Files:
    declared = PlatformDeclaration.model_validate(
        {
            "kind": "files",
            "connection": "n",
            "id": "id",
            "purpose": "x",
            "fields": {"given_name": "first", "family_name": "last"},
            **changes,
        }
    )
    return Files("letters", declared, Connection("n", "fs", str(folder)), root=folder)


def put(folder: Path, content: str | bytes, name: str | bytes = "x.csv") -> Path:
    file = Path(os.fsdecode(os.fsencode(folder) + b"/" + os.fsencode(name)))
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def listed(folder: Path, **changes: Any) -> list[Record]:
    return [record for page in files(folder, **changes).listing() for record in page.records]


@pytest.mark.parametrize("name", [b"a\nb\x1b[2J.csv", b"a\xff.csv", "\u202egnp.csv".encode()])
def test_whatever_a_file_is_called_a_place_is_one_line_of_text(tmp_path: Path, name: bytes) -> None:
    put(tmp_path, f"{HEADER},Ann,x\n", name)
    (record,) = listed(tmp_path)
    assert record.place is not None
    assert record.place.isprintable()
    assert record.place.endswith(".csv:2")
    assert record.place.encode()


def columns(count: int, letters: int = 1) -> str:
    """Unneeded headers, with the needed ones before them."""
    return HEADER.strip() + "".join(f",c{n:0{letters}d}" for n in range(count))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "has no header row"),
        ("\0" * 9999, "lacks the column 'id'"),
        (columns(1_000_000) + "\n", "more than 4096 columns"),
        (columns(5_000) + "\n1,A,B" + "," * 5_000 + "\n", "more than 4096 columns"),
        (columns(3_000, 30) + "\n1,A,B" + "," * 3_000 + "\n", "header of more than 65536 letters"),
        (HEADER.replace("last", "first"), "has the column 'first' 2 times"),
    ],
    ids=["nothing", "zero bytes", "a million columns", "5000 columns", "long header", "doubled"],
)
def test_a_header_that_cannot_be_is_refused_with_the_file(
    tmp_path: Path, content: str, told: str
) -> None:
    file = put(tmp_path, content)
    for call in (lambda: listed(tmp_path), lambda: files(tmp_path).write([CREATE])):
        with pytest.raises(UnreadableInput, match=rf"x\.csv: .*{told}"):
            call()
    assert file.read_text() == content


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("name", ["日本語", "Привет", "Zoë"])
def test_wide_text_without_a_mark_is_known_by_its_headers(
    tmp_path: Path, codec: str, name: str
) -> None:
    rows = "".join(f"{n},{name * 9},{name * 9}\n" for n in range(300))
    put(tmp_path, (HEADER + rows).encode(codec))
    assert {record.fields["first"] for record in listed(tmp_path)} == {name * 9}


def test_a_row_of_another_encoding_than_the_others_is_a_fault(tmp_path: Path) -> None:
    latin = "".join(f"{n},J\u00fcrgen,x\n" for n in range(3)).encode("cp1252")
    file = put(tmp_path, HEADER.encode() + latin + "9,Zo\u00eb,x\n".encode())
    assert [(one.fields.get("first"), one.fault) for one in listed(tmp_path)] == [
        ("J\u00fcrgen", None)
    ] * 3 + [(None, "record.damaged")]
    before = file.read_bytes()
    files(tmp_path).write([CREATE])
    assert file.read_bytes().startswith(before)


def circle(folder: Path) -> None:
    (folder / "circle").symlink_to("circle")


def nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("make", "path", "kind"),
    [
        (circle, "circle", PlatformRefused),
        (nothing, "zero\0byte", PlatformRefused),
        (nothing, "../..", PlatformRefused),
        (nothing, "x" * 5_000, PlatformDown),
        (lambda folder: (folder / "x.csv").mkdir(), ".", PlatformDown),
        (lambda folder: os.mkfifo(folder / "x.csv"), ".", PlatformDown),
        (lambda folder: (folder / "x.csv").symlink_to("/etc/passwd"), ".", UnreadableInput),
    ],
    ids=["circle", "zero byte", "above", "too long", "folder x.csv", "pipe", "link"],
)
def test_what_is_no_folder_or_no_file_is_an_error_of_ours(
    tmp_path: Path, make: Callable[[Path], Any], path: str, kind: type[ConcordError]
) -> None:
    make(tmp_path)
    with pytest.raises(kind) as caught:
        listed(tmp_path, path=path)
    assert str(caught.value).isprintable()


def test_an_encoding_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformRefused, match="no text encoding"):
        files(tmp_path, encoding="a\0b")


@pytest.mark.parametrize("room", [0, 10, 2_000])
def test_a_full_disk_leaves_the_file_whole_and_nothing_beside_it(tmp_path: Path, room: int) -> None:
    file = put(tmp_path, HEADER + "".join(f"{n},Ann,x\n" for n in range(999)))
    before = file.read_bytes()
    with full_disk(room), pytest.raises(PlatformDown, match=r"no room is left .*\[EFBIG\]"):
        files(tmp_path).write([CREATE])
    assert file.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == [".concord.lock", "x.csv"]
    files(tmp_path).write([CREATE])
    assert len(listed(tmp_path)) == 1000
