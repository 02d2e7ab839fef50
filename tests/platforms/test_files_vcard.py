"""Kind *files*: many vCards in one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.errors import ConcordError, PlatformRefused, UnreadableInput
from concord.platforms.base import ListPatch, Operation, Outcome, Record, Verb
from concord.platforms.conformance import (
    Bench,
    SourceSinkConformance,
    Trouble,
    assert_tells_nothing,
)
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files
from concord.platforms.registry import multivalued
from concord.platforms.vcard import edited, new_card

FIELDS = {"full_name": "FN", "job_title": "TITLE", "emails": "EMAIL"}


def declared(**changes: Any) -> PlatformDeclaration:
    base = {
        "kind": "files",
        "connection": "book",
        "pattern": "*.vcf",
        "purpose": "customer_care",
        "fields": FIELDS,
    }
    return PlatformDeclaration.model_validate({**base, **changes})


def files(folder: Path, **changes: Any) -> Files:
    return Files("book", declared(**changes), Connection("b", "fs", str(folder)), root=folder)


class CardsBench(Bench):
    first, second, listed = "FN", "TITLE", "EMAIL"
    poison: Mapping[str, Any] | None = {"TITLE": "zero\0byte"}

    def __init__(self, folder: Path) -> None:
        self.file = folder / "all.vcf"
        self.cards: dict[str, str] = {}
        self.connector = files(folder)
        self._added = 0
        self.save()

    def save(self) -> None:
        self.file.write_bytes("".join(self.cards.values()).encode())

    def load(self) -> None:
        parts = self.file.read_bytes().decode().split("BEGIN:VCARD")[1:]
        cards = ["BEGIN:VCARD" + part for part in parts]
        self.cards = {card.split("UID:")[1].split("\r\n")[0]: card for card in cards}

    def add(self, fields: Mapping[str, str | None]) -> str:
        self.load()
        self._added += 1
        uid = f"u{self._added}"
        card = new_card(uid, {})
        self.cards[uid] = edited(card, fields)
        self.save()
        return uid

    def edit(self, remote_id: str, fields: Mapping[str, str | None]) -> None:
        self.load()
        self.cards[remote_id] = edited(self.cards[remote_id], fields)
        self.save()

    def remove(self, remote_id: str) -> None:
        self.load()
        self.cards.pop(remote_id, None)
        self.save()

    def annotate(self, remote_id: str, text: str) -> None:
        self.edit(remote_id, {"NOTE": text})

    def annotation(self, remote_id: str) -> str | None:
        self.load()
        card = self.cards[remote_id]
        return card.split("NOTE:")[1].split("\r\n")[0] if "NOTE:" in card else None

    def spoil(self) -> str:
        self.load()
        self.cards["spoilt"] = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:spoilt\r\nFN\r\nEND:VCARD\r\n"
        self.save()
        return "record.damaged"

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[Files | None]:
        folder, moved = self.file.parent, self.file.parent.with_suffix(".moved")
        if trouble is Trouble.DOWN:
            folder.rename(moved)
            yield self.connector
            moved.rename(folder)
        else:
            yield None

    def broken(self) -> Files:
        return files(self.file.parent / "nowhere")

    def fill(self, count: int) -> None:
        self.load()
        self.cards |= {f"f{n}": new_card(f"f{n}", {"FN": f"first {n}"}) for n in range(count)}
        self.save()


class FolderBench(CardsBench):
    """A card a file."""

    def save(self) -> None:
        for old in self.file.parent.glob("*.vcf"):
            old.unlink()
        for uid, card in self.cards.items():
            (self.file.parent / f"Person {uid}.vcf").write_bytes(card.encode())
        if len(self.cards) < 2:
            (self.file.parent / "none.vcf").touch()
            (self.file.parent / "nobody.vcf").touch()

    def load(self) -> None:
        found = [one.read_bytes().decode() for one in sorted(self.file.parent.glob("*.vcf"))]
        self.cards = {c.split("UID:")[1].split("\r\n")[0]: c for c in found if c}


class TestFolderOfCardsConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return FolderBench(tmp_path)


class TestCardFileConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return CardsBench(tmp_path)


ANN = (
    "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:a\r\nFN:Ann\r\nitem1.EMAIL;TYPE=work:ann@example.org\r\n"
    "item1.X-ABLabel:_$!<Work>!$_\r\nPHOTO:data:image/png;base64,AAAA\r\n  BBBB\r\nEND:VCARD\r\n"
)
BOB = "BEGIN:VCARD\nVERSION:3.0\nFN:Bob\nUID:b\nTITLE:Chef\nEND:VCARD"


def put(folder: Path, content: str | bytes, name: str = "Anna Gruber.vcf") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def listed(folder: Path) -> list[Record]:
    return [record for page in files(folder).listing() for record in page.records]


def test_an_edit_leaves_every_other_card_and_line_byte_by_byte(tmp_path: Path) -> None:
    file = put(tmp_path, f"\ufeff{ANN}\r\n \r\n{BOB}")
    patch = ListPatch(add=[{"value": "bob@example.org", "type": "work", "preferred": True}])
    receipts = files(tmp_path).write(
        [
            Operation("1", Verb.UPDATE, "b", "p", {"EMAIL": patch}, {"TITLE": "Chef"}),
            Operation("2", Verb.CREATE, None, "p9", {"FN": "Cid"}),
        ]
    )
    assert [one.outcome for one in receipts] == [Outcome.OK, Outcome.OK]
    text = file.read_bytes().decode()
    assert text.startswith(f"\ufeff{ANN}\r\n \r\nBEGIN:VCARD\nVERSION:3.0\nFN:Bob\nUID:b\nTITLE:")
    assert [one.remote_id for one in listed(tmp_path)] == ["a", "b", "concord-p9"]
    assert listed(tmp_path)[1] == receipts[0].record
    assert listed(tmp_path)[2] == receipts[1].record
    files(tmp_path).write([Operation("3", Verb.DELETE, "concord-p9", "p9", {}, {"FN": "Cid"})])
    assert [one.remote_id for one in listed(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    "damage",
    [
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:x\r\nFN:Canary\r\n",  # never ends
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:x\r\nFN\r\nEND:VCARD\r\n",
        b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:x\r\nFN:Zo\xeb\r\nEND:VCARD\r\n",
        "BEGIN:VCARD\r\nVERSION:9\r\nUID:x\r\nFN:Canary\r\nEND:VCARD\r\n",
    ],
)
def test_a_damaged_card_keeps_its_id_and_takes_no_neighbour_with_it(
    tmp_path: Path, damage: str | bytes
) -> None:
    raw = damage if isinstance(damage, bytes) else damage.encode()
    file = put(tmp_path, ANN.encode() + raw + BOB.encode())
    found = listed(tmp_path)
    assert [(one.remote_id, one.fault) for one in found] == [
        ("a", None),
        ("x", "record.damaged"),
        ("b", None),
    ]
    assert found[1].place == "one of the files *.vcf:2"
    (receipt,) = files(tmp_path).write([Operation("1", Verb.UPDATE, "b", "p", {"FN": "Bo"}, {})])
    assert receipt.outcome is Outcome.OK
    assert file.read_bytes().startswith(ANN.encode() + raw)


def test_cards_without_a_uid_or_with_anothers_are_told(tmp_path: Path) -> None:
    put(tmp_path, ANN + ANN + BOB.replace("UID:b\n", ""))
    assert [one.fault for one in listed(tmp_path)] == [None, "id.duplicate", "id.missing"]


def test_a_file_of_cards_is_never_named_for_it_may_bear_a_persons_name(tmp_path: Path) -> None:
    file = put(tmp_path, ANN)
    assert "Gruber" not in repr(files(tmp_path).check().notes)
    with file.open("r+b") as stream:
        stream.truncate(1 << 31)
    with pytest.raises(UnreadableInput, match=r"^one of the files \*\.vcf: is larger") as caught:
        listed(tmp_path)
    assert_tells_nothing(caught.value, "Gruber")
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(
        UnreadableInput, match=r"^one of the files \*\.vcf: is a symbolic link"
    ) as caught:
        listed(tmp_path)
    assert_tells_nothing(caught.value, "Gruber")


def test_with_a_card_a_file_every_file_counts_and_each_is_written_alone(tmp_path: Path) -> None:
    ann, bob = put(tmp_path, ANN), put(tmp_path, BOB, "Bob.vcf")
    assert [one.remote_id for one in listed(tmp_path)] == ["a", "b"]
    inode = ann.stat().st_ino
    receipts = files(tmp_path).write(
        [
            Operation("1", Verb.UPDATE, "b", "p", {"FN": "Bo"}, {"FN": "Bob"}),
            Operation("2", Verb.CREATE, None, "p9", {"FN": "Cid"}),
        ]
    )
    assert [one.outcome for one in receipts] == [Outcome.OK, Outcome.OK]
    assert ann.stat().st_ino == inode
    assert bob.read_text(encoding="utf-8") == BOB.replace("Bob", "Bo")
    (new,) = set(tmp_path.glob("*.vcf")) - {ann, bob}
    assert new.name.startswith("concord-p9-")
    assert [one.remote_id for one in files(tmp_path).find(["p9"])] == ["concord-p9"]
    (again,) = files(tmp_path).write([Operation("3", Verb.CREATE, None, "p9", {"FN": "X"})])
    assert again.outcome is Outcome.EXISTS
    files(tmp_path).write([Operation("4", Verb.DELETE, "a", "p", {}, {"FN": "Ann"})])
    assert not ann.exists()
    assert len(listed(tmp_path)) == 2


def test_twins_across_files_are_told_and_a_renamed_file_is_no_news(tmp_path: Path) -> None:
    ann = put(tmp_path, ANN)
    put(tmp_path, ANN, "Zoe.vcf")
    found = listed(tmp_path)
    assert [(one.fault, one.place) for one in found] == [
        (None, None),
        ("id.duplicate", "one of the files *.vcf:2"),
    ]
    *_, page = files(tmp_path).listing()
    ann.rename(tmp_path / "Other.vcf")
    (again,) = files(tmp_path).changes(page.cursor or "")
    assert (again.full, again.cursor) == (False, page.cursor)


def test_the_lists_of_cards_are_lists_to_the_mapping_and_only_theirs() -> None:
    assert multivalued(declared()) == {"EMAIL", "TEL"}
    assert multivalued(declared(pattern="*.csv", id="id")) == frozenset()
    assert declared(format="vcard", pattern="*.txt").options.id == "UID"
    with pytest.raises(PlatformRefused, match="no field of a vCard: first name"):
        files(Path(), fields={"given_name": "first name"})


@given(junk=st.binary(max_size=200) | st.text("BEGINVCARD:\r\n UIDFN", max_size=80).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_after_a_card_are_read_or_refused_and_never_anything_else(
    tmp_path: Path, junk: bytes
) -> None:
    put(tmp_path, ANN.encode() + junk)
    try:
        found = listed(tmp_path)
    except ConcordError:
        return
    assert found[0].fields["FN"] == "Ann"
    assert all(one.fault or one.remote_id for one in found)
