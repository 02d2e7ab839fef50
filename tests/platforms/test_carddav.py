"""Kind *carddav* against a real Radicale."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina
import vobject
from fault_proxy import Fault, FaultProxy, down, half, hangs, says
from http_answers import answer

from concord.demo.radicale import Radicale
from concord.errors import CursorExpired, PlatformRefused
from concord.platforms.base import ListPatch, Operation, Outcome, Record, Verb
from concord.platforms.carddav import CardDav
from concord.platforms.conformance import (
    Bench,
    SourceSinkConformance,
    Trouble,
    assert_tells_nothing,
)
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration

FIELDS = {"full_name": "FN", "job_title": "TITLE", "emails": "EMAIL"}
MORE = {**FIELDS, "phones": "TEL", "given_name": "N.given", "birth_date": "BDAY"}
NUMBERS = itertools.count(1)
TROUBLES: dict[Trouble, Fault] = {
    Trouble.DOWN: down,
    Trouble.HANGS: hangs,
    Trouble.HALF: half(150),
    Trouble.FAILS: says(answer(500, b"canary")),
    Trouble.THROTTLES: says(answer(429, Retry_After="3600")),
    Trouble.REFUSES: says(answer(401)),
    Trouble.BABBLES: says(b"\x00 no HTTP\r\n\r\n"),
}


def declared(fields: Mapping[str, Any], **options: Any) -> PlatformDeclaration:
    return PlatformDeclaration.model_validate(
        {"kind": "carddav", "connection": "book", "purpose": "care", "fields": fields, **options}
    )


@pytest.fixture(scope="module")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    memory = Path("/dev/shm")
    folder = tmp_path_factory.mktemp("radicale")
    if memory.is_dir():  # Radicale waits for the disk after every write
        folder = memory / f"concord-{folder.parent.name}-{folder.name}-{id(folder)}"
    try:
        with Radicale(folder, login="keeper") as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class AddressBook(Bench):
    """An address book of its own, and a client that knows vCards only through vobject."""

    first, second, listed = "FN", "TITLE", "EMAIL"

    def __init__(
        self, server: Radicale, fields: Mapping[str, Any] = FIELDS, **options: Any
    ) -> None:
        self.secret = server.password
        self.poison = {"TITLE": "poison\x00canary"}
        self.folder = server.cards.parent / f"book-{next(NUMBERS)}"
        self.path = f"/{server.login}/{self.folder.name}/"
        self.client = httpx.Client(
            base_url=httpx.URL(server.url).join(self.path), auth=(server.login, server.password)
        )
        self.client.request("MKCOL", "", content=MKCOL).raise_for_status()
        self.server, self.declaration = server, declared(fields, **options)
        self.open = ExitStack()
        self.open.callback(self.client.close)
        self.connector = self.open.enter_context(self.connect())
        self.forgotten = f"{self.connector._book().digest}:http://radicale.org/ns/sync/0"

    def connect(self, **changes: Any) -> CardDav:
        server = self.server
        place = {
            "host": str(self.client.base_url),
            "login": server.login,
            "password": server.password,
        }
        connection = Connection("book", **{**place, **changes})
        return CardDav("book", self.declaration, connection, root=Path())

    def put(self, name: str, text: str, **headers: str) -> None:
        self.client.put(name, content=text.encode(), headers=headers).raise_for_status()

    def text(self, name: str) -> str:
        return self.client.get(name).raise_for_status().text

    def add(self, fields: Mapping[str, str | None]) -> str:
        name = f"user-{next(NUMBERS)}.vcf"
        card = vobject.vCard()
        card.add("uid").value = name
        self._set(card, {"FN": "", **fields})
        self.put(name, card.serialize())
        return name

    def edit(self, remote_id: str, fields: Mapping[str, str | None]) -> None:
        card = vobject.readOne(self.text(remote_id))
        self._set(card, fields)
        self.put(remote_id, card.serialize())

    def _set(self, card: Any, fields: Mapping[str, str | None]) -> None:
        for native, value in fields.items():
            card.contents.pop(native.lower(), None)
            if value is not None:
                card.add(native).value = value

    def remove(self, remote_id: str) -> None:
        self.client.delete(remote_id).raise_for_status()

    def annotate(self, remote_id: str, text: str) -> None:
        self.edit(remote_id, {"NOTE": text})

    def annotation(self, remote_id: str) -> str | None:
        card = vobject.readOne(self.text(remote_id))
        return str(card.note.value) if "note" in card.contents else None

    def spoil(self) -> str:
        (self.folder / "damaged.vcf").write_text(
            card("UID:damaged", f"FN:{'x' * 70_000}"), newline=""
        )
        return "record.damaged"

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[CardDav | None]:
        base = self.client.base_url
        proxy = self.open.enter_context(FaultProxy((base.host, base.port or 80)))
        patience = {"timeout_s": 1} if trouble is Trouble.HANGS else {}
        host = str(base.copy_with(port=proxy.port))
        connector = self.open.enter_context(self.connect(host=host, extra=patience))
        with stamina.set_testing(True), proxy.doing(TROUBLES[trouble]):
            yield connector

    def broken(self) -> CardDav:
        return self.connect(
            host=str(self.client.base_url).replace(self.folder.name, "none"), login="x"
        )

    def fill(self, count: int) -> None:
        for number in range(count):
            name = f"filled-{number}.vcf"
            (self.folder / name).write_text(card(f"UID:{name}", f"FN:first {number}"), newline="")


MKCOL = (
    '<D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><D:set><D:prop>'
    "<D:resourcetype><D:collection/><C:addressbook/></D:resourcetype>"
    "</D:prop></D:set></D:mkcol>"
)


def card(*lines: str, version: str = "3.0") -> str:
    return "\r\n".join(("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""))


@pytest.fixture
def bench(radicale: Radicale) -> Iterator[AddressBook]:
    book = AddressBook(radicale)
    yield book
    book.open.close()


@pytest.fixture
def book(radicale: Radicale) -> Iterator[AddressBook]:
    """An address book of which more is mapped."""
    book = AddressBook(radicale, MORE)
    yield book
    book.open.close()


class TestCardDavConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, radicale: Radicale) -> Iterator[AddressBook]:
        book = AddressBook(radicale)
        yield book
        book.open.close()


def update(name: str, values: dict[str, Any], **expect: Any) -> Operation:
    return Operation("op", Verb.UPDATE, name, "p", values, expect)


def create(person: str, **values: Any) -> Operation:
    return Operation(person, Verb.CREATE, None, person, values)


def everything(book: AddressBook) -> tuple[dict[str | None, Record], str]:
    pages = list(book.connector.listing())
    records = {record.remote_id: record for page in pages for record in page.records}
    return records, pages[-1].cursor or ""


def test_note_photo_and_unknown_property_survive_a_changed_phone(book: AddressBook) -> None:
    kept = [
        "NOTE:private\\, with\\nlines",
        "PHOTO;ENCODING=b;TYPE=JPEG:" + "QUJD" * 60,
        "X-CAT:Félix",
    ]
    book.put("a.vcf", card("UID:a", "FN:Ada", "N:King;Ada;;;", "TEL;TYPE=CELL:+43 1", *kept))
    (before,) = book.connector.read(["a.vcf"])
    patch = ListPatch(
        add=[{"value": "+43 2", "type": "cell", "preferred": False}], remove=["+43 1"]
    )
    (receipt,) = book.connector.write([update("a.vcf", {"TEL": patch}, TEL=before.fields["TEL"])])
    assert receipt.outcome is Outcome.OK
    stored = vobject.readOne(book.text("a.vcf"))
    assert [stored.tel.value, stored.note.value] == ["+43 2", "private, with\nlines"]
    assert [stored.photo.value, stored.x_cat.value] == [b"ABC" * 60, "Félix"]


def test_cards_in_every_shape_are_read_and_a_broken_one_hides_no_other(book: AddressBook) -> None:
    shapes = {
        "folded.vcf": card("UID:1", "FN:Zo\r\n ë", "TEL:1"),
        "quoted.vcf": card(
            "UID:2",
            "FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Zo=\r\n=C3=AB",
            "TEL:1",
            version="2.1",
        ),
        "grouped.vcf": card("UID:3", "FN:Zoë", "item1.TEL:1", "item1.X-ABLabel:Office"),
        "feeds.vcf": card("UID:4", "FN:Zoë", "TEL:1").replace("\r\n", "\n"),
        "broken.vcf": card("UID:5", "FN:Zoë", "no property"),
        "endless.vcf": card("UID:6", "FN:Zoë").replace("END:VCARD", ""),
    }
    for name, text in shapes.items():
        (book.folder / name).write_text(text, newline="")
    records, _ = everything(book)
    read = {name: record.fields["FN"] for name, record in records.items() if not record.fault}
    assert read == dict.fromkeys(("folded.vcf", "quoted.vcf", "grouped.vcf", "feeds.vcf"), "Zoë")


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_a_card_of_either_version_is_read_and_written(book: AddressBook, version: str) -> None:
    lines = ("UID:a", "FN:Ada", "N:King;Ada;;;", "BDAY:19801231", "REV:20250101T000000Z")
    book.put("a.vcf", card(*lines, version=version))
    (read,) = book.connector.read(["a.vcf"])
    assert read.fields["BDAY"] == "1980-12-31"
    assert read.modified_at is not None
    values = {"BDAY": "1981-01-02", "N.given": "Eva"}
    (receipt,) = book.connector.write([update("a.vcf", values, BDAY="1980-12-31")])
    assert receipt.record is not None
    assert {key: receipt.record.fields[key] for key in values} == values
    assert f"VERSION:{version}" in book.text("a.vcf")


def test_only_mapped_fields_are_read(bench: AddressBook) -> None:
    bench.put("a.vcf", card("UID:a", "FN:Ada", "NOTE:secret"))
    (record,) = bench.connector.read(["a.vcf"])
    assert record.fields == {"FN": "Ada", "TITLE": None, "EMAIL": []}


def test_a_deleted_card_comes_as_a_tombstone(bench: AddressBook) -> None:
    for name in ("a.vcf", "b.vcf"):
        bench.put(name, card(f"UID:{name}", "FN:Ada"))
    _, cursor = everything(bench)
    bench.remove("a.vcf")
    (page,) = bench.connector.changes(cursor)
    assert page.records == [Record("a.vcf", deleted=True)]
    assert not page.full
    assert set(everything(bench)[0]) == {"b.vcf"}


def test_a_forgotten_token_is_an_expired_cursor(bench: AddressBook) -> None:
    digest = everything(bench)[1].partition(":")[0]
    for token in ("http://radicale.org/ns/sync/" + "0" * 64, "nonsense", ""):
        with pytest.raises(CursorExpired):
            list(bench.connector.changes(f"{digest}:{token}"))


def test_a_cursor_of_another_address_book_is_expired(radicale: Radicale) -> None:
    one, two = AddressBook(radicale), AddressBook(radicale, path="/keeper/contacts/")
    with pytest.raises(CursorExpired, match="another address book"):
        list(two.connector.changes(everything(one)[1]))


def test_a_cursor_names_neither_login_nor_path(bench: AddressBook) -> None:
    cursor = everything(bench)[1]
    assert bench.server.login not in cursor
    assert bench.folder.name not in cursor


def test_somebody_who_was_quicker_is_not_overwritten(bench: AddressBook) -> None:
    bench.put("a.vcf", card("UID:a", "FN:Ada", "TITLE:x"))
    wanted = update("a.vcf", {"TITLE": "y"}, TITLE="x")
    get, edits = bench.connector._book().get, ["Eva", "Eve"]

    def hurried(name: str) -> Any:
        found = get(name)
        if edits:
            bench.edit(name, {"FN": edits.pop()})
        return found

    bench.connector._book().get = hurried  # type: ignore[method-assign]
    (receipt,) = bench.connector.write([wanted])
    assert receipt.outcome is Outcome.CONFLICT
    edits.append("Ida")
    (receipt,) = bench.connector.write([wanted])
    assert receipt.outcome is Outcome.OK
    assert receipt.record is not None
    assert (receipt.record.fields["FN"], receipt.record.fields["TITLE"]) == ("Ida", "y")


def test_an_edit_between_our_write_and_its_reading_is_not_taken_for_ours(
    bench: AddressBook,
) -> None:
    bench.put("a.vcf", card("UID:a", "FN:Ada", "TITLE:x"))
    fetch = bench.connector._book().fetch

    def late(names: Any) -> Any:
        bench.edit("a.vcf", {"TITLE": "theirs"})
        return fetch(names)

    bench.connector._book().fetch = late  # type: ignore[method-assign]
    (receipt,) = bench.connector.write([update("a.vcf", {"TITLE": "ours"}, TITLE="x")])
    assert receipt.record is not None
    assert receipt.record.fields["TITLE"] == "ours"
    assert fetch(["a.vcf"])[0].version != receipt.record.version


def test_a_card_we_made_is_known_by_its_name_when_a_client_drops_our_property(
    bench: AddressBook,
) -> None:
    bench.connector.write([create("p-1", FN="Ada")])
    bench.put("concord-p-1.vcf", card("UID:concord-p-1", "FN:Ada"))
    bench.put("copy.vcf", card("UID:copy", "FN:Ada", "X-CONCORD-PERSON:p-1"))
    records, _ = everything(bench)
    assert {name: record.external_id for name, record in records.items()} == {
        "concord-p-1.vcf": "p-1",
        "copy.vcf": "p-1",
    }


def test_a_person_id_that_is_no_file_name_is_hashed_into_one(bench: AddressBook) -> None:
    for person in ("../../x", "a/b", "ü", "a" * 300):
        (receipt,) = bench.connector.write([create(person, FN="Ada")])
        assert receipt.outcome is Outcome.OK
        (found,) = bench.connector.find([person])
        assert found.external_id == person


def test_a_uid_that_another_card_has_refuses_the_create(bench: AddressBook) -> None:
    bench.put("moved.vcf", card("UID:concord-p1", "FN:Ada"))
    (receipt,) = bench.connector.write([create("p1", FN="Ada")])
    assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "no-uid-conflict")


def test_a_missing_address_book_is_an_error_and_not_the_loss_of_its_cards(
    bench: AddressBook,
) -> None:
    bench.put("a.vcf", card("UID:a", "FN:Ada"))
    cursor = everything(bench)[1]
    bench.client.delete("").raise_for_status()
    connector = CardDav(
        "book", declared(FIELDS, path=bench.path), bench_connection(bench), root=Path()
    )
    delete = Operation("op", Verb.DELETE, "a.vcf", "p", {}, {})
    for call in (
        lambda: list(connector.changes(cursor)),
        lambda: list(connector.listing()),
        lambda: connector.read(["a.vcf"]),
        lambda: connector.write([delete]),
        lambda: connector.write([create("p1", FN="Ada")]),
    ):
        with pytest.raises(PlatformRefused, match="address book") as caught:
            call()
        assert_tells_nothing(caught.value, bench.server.password, bench.path)


def bench_connection(bench: AddressBook) -> Connection:
    server = bench.server
    host = str(bench.client.base_url.join("/"))
    return Connection("book", host=host, login=server.login, password=server.password)


def test_a_declared_path_needs_no_discovery(radicale: Radicale) -> None:
    book = AddressBook(radicale)
    book.put("a.vcf", card("UID:a", "FN:Ada"))
    connector = CardDav("b", declared(FIELDS, path=book.path), bench_connection(book), root=Path())
    (page,) = connector.listing()
    assert (len(page.records), page.calls) == (1, 2)


def test_the_only_address_book_of_a_login_is_found_from_anywhere(tmp_path: Path) -> None:
    with Radicale(tmp_path, cards={"a.vcf": card("UID:a", "FN:Ada")}) as server:
        for path in ("", "/", "/concord/", "/nowhere/"):
            host = httpx.URL(server.url).join("/").copy_with(path=path)
            connection = Connection(
                "book", host=str(host), login=server.login, password=server.password
            )
            pages = list(CardDav("b", declared(FIELDS), connection, root=Path()).listing())
            assert [len(page.records) for page in pages] == [1]


def test_of_several_address_books_none_is_guessed(bench: AddressBook) -> None:
    connector = CardDav("book", declared(FIELDS), bench_connection(bench), root=Path())
    with pytest.raises(PlatformRefused, match="address books; name one with `path:`"):
        list(connector.listing())


def test_a_wrong_password_is_refused_without_being_told(bench: AddressBook) -> None:
    wrong = "wrong canary"
    with pytest.raises(PlatformRefused, match="login was refused") as caught:
        list(bench.connect(password=wrong).listing())
    assert_tells_nothing(caught.value, wrong, bench.server.login)


def test_a_field_that_no_card_has_is_named_before_anything_is_read() -> None:
    with pytest.raises(PlatformRefused, match=r"no field of a vCard: ADR, N\.first"):
        CardDav("b", declared({"a": "N.first", "b": "ADR"}), Connection("b", host="x"), root=Path())


def test_the_connection_logs_no_addresses(
    bench: AddressBook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    list(bench.connector.listing())
    assert bench.folder.name not in caplog.text
