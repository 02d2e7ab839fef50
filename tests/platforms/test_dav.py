"""A server at its worst: what it sends is read right, refused or tried again, and tells nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any
from xml.sax.saxutils import escape

import pytest
import stamina

from concord.errors import (
    ConcordError,
    CursorExpired,
    PlatformDown,
    PlatformRefused,
    Throttled,
    UnreadableInput,
)
from concord.platforms.base import Operation, Outcome, Verb
from concord.platforms.carddav import CardDav
from concord.platforms.conformance import assert_tells_nothing
from concord.platforms.connection import Connection
from concord.platforms.dav import Dav, start_of
from concord.platforms.declaration import PlatformDeclaration

BOOK = "/canary-login/book/"
PASSWORD = "canary-password"
DECLARED = PlatformDeclaration.model_validate(
    {
        "kind": "carddav",
        "connection": "book",
        "purpose": "care",
        "path": BOOK,
        "fields": {"full_name": "FN"},
    }
)


@dataclass
class Said:
    """One answer; *cut* is how much of the promised body is sent before hanging up."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Hostile:
    """An HTTP server that answers as *answer* says and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Said] = lambda asked: Said(404)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.command, self.path, dict(self.headers), body)
                outer.asked.append(asked)
                said = outer.answer(asked)
                self.send_response(said.status)
                self.send_header("Content-Length", str(len(said.body)))
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said.body[: said.cut])

            do_GET = do_PUT = do_DELETE = do_PROPFIND = do_REPORT = handle_any

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def connection(self, url: str | None = None) -> Connection:
        return Connection("c", host=url or self.url, login="canary-login", password=PASSWORD)

    def connector(self) -> CardDav:
        return CardDav("book", DECLARED, self.connection(), root=Path())

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    server = Hostile()
    yield server
    server.close()


@pytest.fixture
def elsewhere() -> Iterator[Hostile]:
    server = Hostile()
    yield server
    server.close()


def multistatus(*responses: str, token: str = "t1") -> bytes:
    return (
        '<D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav">'
        f"{''.join(responses)}<D:sync-token>{token}</D:sync-token></D:multistatus>"
    ).encode()


def there(name: str, text: str | None = None, etag: str = '"1"') -> str:
    data = "" if text is None else f"<C:address-data>{escape(text)}</C:address-data>"
    return (
        f"<D:response><D:href>{name if '/' in name else BOOK + name}</D:href><D:propstat><D:prop>"
        f"<D:getetag>{escape(etag)}</D:getetag>{data}</D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    )


def gone(name: str, status: str = "HTTP/1.1 404 Not Found") -> str:
    return f"<D:response><D:href>{BOOK}{name}</D:href><D:status>{status}</D:status></D:response>"


def card(name: str) -> str:
    return f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{name}\r\nFN:{name}\r\nEND:VCARD\r\n"


def is_sync(asked: Asked) -> bool:
    return b"sync-collection" in asked.body


def caught(call: Callable[[], Any], kind: type[ConcordError], match: str) -> ConcordError:
    with pytest.raises(kind, match=match) as raised:
        call()
    assert_tells_nothing(raised.value, "canary-login", PASSWORD, "127.0.0.1")
    return raised.value


def test_a_redirect_to_another_host_is_refused_and_never_sees_the_login(
    hostile: Hostile, elsewhere: Hostile
) -> None:
    for status in (301, 302, 303, 307, 308):
        hostile.answer = lambda asked, s=status: Said(s, b"", {"Location": elsewhere.url + BOOK})  # type: ignore[misc]
        caught(lambda: list(hostile.connector().listing()), PlatformRefused, "another host")
    assert elsewhere.asked == []


def test_a_redirect_on_the_same_host_is_followed_when_reading(hostile: Hostile) -> None:
    def answer(asked: Asked) -> Said:
        moved = asked.path != "/new/"
        return Said(308, b"", {"Location": "/new/"}) if moved else Said(207, b"here")

    hostile.answer = answer
    with Dav("book", hostile.connection()) as dav:
        assert dav.read("REPORT", "/old/", b"<x/>").body == b"here"
    assert [asked.body for asked in hostile.asked] == [b"<x/>", b"<x/>"]


def test_redirects_in_circles_end(hostile: Hostile) -> None:
    hostile.answer = lambda asked: Said(302, b"", {"Location": "/"})
    caught(lambda: Dav("book", hostile.connection()).read("GET", "/"), PlatformRefused, "circles")


def test_a_redirected_write_is_refused(hostile: Hostile) -> None:
    hostile.answer = lambda asked: Said(307, b"", {"Location": "/new/"})
    dav = Dav("book", hostile.connection())
    caught(lambda: dav.write("PUT", "/a", b"", {}), PlatformRefused, "redirects a write")
    assert len(hostile.asked) == 1


def test_an_address_book_on_another_host_is_refused(hostile: Hostile, elsewhere: Hostile) -> None:
    principal = (
        f"<D:response><D:href>/</D:href><D:propstat><D:prop><D:current-user-principal>"
        f"<D:href>{elsewhere.url}/me/</D:href></D:current-user-principal></D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    )
    hostile.answer = lambda asked: Said(207, multistatus(principal))
    declared = DECLARED.model_copy(update={"options": None})
    connector = CardDav("book", declared, hostile.connection(), root=Path())
    caught(lambda: list(connector.listing()), PlatformRefused, "on another host")
    assert elsewhere.asked == []


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x"><x/>',
        b"<html><p>canary-login",
        b"\xff\xfe\x00garbage",
        b"",
        b"<?xml version='1.0' encoding='klingon'?><x/>",
        b"<a>" * 1000 + b"</a>" * 1000,
        b"<a><b>" + b"<c/>" * 20_000 + b"</b></a>",
    ],
)
def test_what_is_no_answer_is_unreadable(hostile: Hostile, body: bytes) -> None:
    hostile.answer = lambda asked: Said(207, body)
    caught(
        lambda: list(hostile.connector().listing()), UnreadableInput, "book: the server's answer"
    )


def test_a_gigantic_answer_is_not_kept(hostile: Hostile) -> None:
    hostile.answer = lambda asked: Said(207, b"x" * 300_000)
    dav = Dav("book", hostile.connection(), largest_answer=200_000)
    caught(lambda: dav.read("GET", "/"), UnreadableInput, "more than 195 KiB")


def test_an_answer_that_was_compressed_without_being_asked_is_refused(hostile: Hostile) -> None:
    hostile.answer = lambda asked: Said(207, b"x", {"Content-Encoding": "gzip"})
    caught(lambda: Dav("b", hostile.connection()).read("GET", "/"), PlatformRefused, "compresses")


def test_half_an_answer_is_tried_again_when_reading(hostile: Hostile) -> None:
    hostile.answer = lambda asked: Said(200, b"whole", cut=None if len(hostile.asked) > 2 else 2)
    assert Dav("book", hostile.connection()).read("GET", "/").body == b"whole"
    assert len(hostile.asked) == 3


def test_half_an_answer_every_time_is_an_error_of_the_platform(hostile: Hostile) -> None:
    hostile.answer = lambda asked: Said(200, b"whole", cut=2)
    caught(lambda: Dav("b", hostile.connection()).read("GET", "/"), PlatformDown, "half an answer")
    assert len(hostile.asked) == 3


def test_a_write_whose_answer_is_lost_is_not_sent_again(hostile: Hostile) -> None:
    hostile.answer = lambda asked: Said(201, b"whole", cut=2)
    dav = Dav("book", hostile.connection())
    caught(lambda: dav.write("PUT", "/a", b"", {}), PlatformDown, "half an answer")
    assert len(hostile.asked) == 1


@pytest.mark.parametrize("writing", [False, True])
def test_a_short_pause_is_kept_and_a_long_one_is_handed_on(hostile: Hostile, writing: bool) -> None:
    dav = Dav("book", hostile.connection())

    def call() -> Any:
        return dav.write("PUT", "/a", b"", {}) if writing else dav.read("GET", "/")

    hostile.answer = lambda asked: (
        Said(200) if len(hostile.asked) > 1 else Said(429, b"", {"Retry-After": "1"})
    )
    assert call().status == 200
    assert (dav.effort.calls, dav.effort.retries) == (2, 1)
    assert dav.effort.throttled_s > 0  # waits are skipped in tests
    hostile.asked.clear()
    hostile.answer = lambda asked: Said(503, b"", {"Retry-After": "3600"})
    error = caught(call, Throttled, "wait 3600 s")
    assert isinstance(error, Throttled)
    assert error.retry_after_s == 3600
    assert len(hostile.asked) == 1


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("Wed, 21 Oct 2055 07:28:00 GMT", 86_400),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400),
        ("9" * 400, 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", 5),
        ("soon", 5),
        ("-1", 5),
    ],
)
def test_a_pause_is_a_number_or_a_date_and_never_more_than_a_day(
    hostile: Hostile, stated: str, seconds: float
) -> None:
    hostile.answer = lambda asked: Said(429, b"", {"Retry-After": stated})
    error = caught(lambda: Dav("b", hostile.connection()).read("GET", "/"), Throttled, "wait")
    assert isinstance(error, Throttled)
    assert error.retry_after_s == seconds


def test_nobody_at_the_address_is_an_error_of_the_platform(hostile: Hostile) -> None:
    hostile.close()
    error = caught(lambda: list(hostile.connector().listing()), PlatformDown, "cannot be reached")
    assert error.transient


@pytest.mark.parametrize("host", ["", "ftp://x/", "http://[::1", "http://x:99999/"])
def test_an_address_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(PlatformRefused, match="no http or https address"):
        Dav("book", Connection("c", host=host))


def test_an_address_is_put_together_from_the_parts_of_a_connection() -> None:
    assert start_of(Connection("c", host="x.example")) == "https://x.example/"
    assert (
        start_of(Connection("c", host="x.example", schema="http", port=81))
        == "http://x.example:81/"
    )
    assert (
        start_of(Connection("c", host="http://x.example:82/dav", port=81))
        == "http://x.example:82/dav"
    )


def test_cards_that_xml_cannot_hold_do_not_take_their_neighbours_with_them(
    hostile: Hostile,
) -> None:
    texts = {name: card(name) for name in "abcdefg"} | {"c": card("c").replace("FN:c", "FN:c\x01")}

    def answer(asked: Asked) -> Said:
        if is_sync(asked):
            return Said(207, multistatus(*map(there, texts)))
        if asked.method == "GET":
            return Said(200, texts[asked.path.removeprefix(BOOK)].encode(), {"ETag": '"1"'})
        wanted = [name for name in texts if f"{BOOK}{name}<".encode() in asked.body]
        return Said(207, multistatus(*(there(name, texts[name]) for name in wanted)))

    hostile.answer = answer
    (page,) = hostile.connector().listing()
    found = {record.remote_id: record.fault for record in page.records}
    assert found == {name: "record.damaged" if name == "c" else None for name in texts}
    assert [record.version for record in page.records] == ['"1"'] * 7
    assert page.calls == len(hostile.asked) < 12


def test_a_card_that_is_left_out_of_an_answer_is_asked_for_alone(hostile: Hostile) -> None:
    def answer(asked: Asked) -> Said:
        if asked.method == "GET":
            return Said(200, card("b").encode())
        return Said(207, multistatus(there("a", card("a") if not is_sync(asked) else None)))

    hostile.answer = answer
    records = hostile.connector().read(["a", "b"])
    assert [record.fields["FN"] for record in records] == ["a", "b"]


def test_a_card_that_may_not_be_read_is_a_fault_and_not_a_deletion(hostile: Hostile) -> None:
    hostile.answer = lambda asked: (
        Said(403) if asked.method == "GET" else Said(207, multistatus(gone("a", "HTTP/1.1 403 No")))
    )
    (record,) = hostile.connector().read(["a"])
    assert (record.deleted, record.fault) == (False, "record.damaged")
    assert "canary" not in str(record.place)


def test_only_cards_directly_in_the_address_book_count(hostile: Hostile) -> None:
    strange = ["/other/x", f"{BOOK}sub/", f"{BOOK}sub/x", "http://evil.example" + BOOK + "x", BOOK]
    strange += [BOOK + "..", BOOK + "%2E%2E", BOOK + ".", "http://[", f"{BOOK}../x"]

    def answer(asked: Asked) -> Said:
        if is_sync(asked):
            listed = (there(href) for href in [*strange, f"{hostile.url}{BOOK}a%20%C3%BC%2F.vcf"])
            return Said(207, multistatus(*listed))
        return Said(207, multistatus(there(BOOK + "a%20%c3%bc%2f.vcf", card("a"))))

    hostile.answer = answer
    (page,) = hostile.connector().listing()
    assert [record.remote_id for record in page.records] == ["a ü/.vcf"]
    assert b"a%20%C3%BC%2F.vcf" in hostile.asked[-1].body


def test_a_list_that_is_told_in_parts_is_read_to_its_end(hostile: Hostile) -> None:
    def answer(asked: Asked) -> Said:
        if not is_sync(asked):
            names = [name for name in "ab" if f"{BOOK}{name}<".encode() in asked.body]
            return Said(207, multistatus(*(there(name, card(name)) for name in names)))
        if b"t1" in asked.body:
            return Said(207, multistatus(there("b"), gone("c"), token="t2"))
        more = gone("", "HTTP/1.1 507 Insufficient Storage")
        return Said(207, multistatus(there("a"), there("c"), more))

    hostile.answer = answer
    (page,) = hostile.connector().listing()
    assert [record.remote_id for record in page.records] == ["a", "b"]
    assert (page.cursor or "").endswith(":t2")


@pytest.mark.parametrize("status", [400, 403, 409, 410])
def test_an_expired_token_is_known_by_the_error_and_not_by_the_status(
    hostile: Hostile, status: int
) -> None:
    cursor = hostile.connector()._book().digest + ":t1"
    hostile.answer = lambda asked: Said(
        status, b'<D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>'
    )
    caught(lambda: list(hostile.connector().changes(cursor)), CursorExpired, "forgot")
    hostile.answer = lambda asked: Said(status)
    caught(lambda: list(hostile.connector().changes(cursor)), PlatformRefused, "address book")


def error(name: str) -> bytes:
    named = f'<{name} xmlns="urn:ietf:params:xml:ns:carddav"/>'
    return f'<D:error xmlns:D="DAV:">{named}</D:error>'.encode()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b"canary", "400"),
        (403, error("max-resource-size"), "max-resource-size"),
        (409, error("no-uid-conflict"), "no-uid-conflict"),
        (413, error("secret-canary"), "413"),
        (415, BOMB, "415"),
        (507, b"", "507"),
    ],
)
def test_a_refused_card_is_rejected_with_a_code_and_no_text(
    hostile: Hostile, status: int, body: bytes, code: str
) -> None:
    hostile.answer = lambda asked: Said(status, body)
    create = Operation("op", Verb.CREATE, None, "p", {"FN": "Ada"})
    (receipt,) = hostile.connector().write([create])
    assert (receipt.outcome, receipt.record, receipt.code) == (Outcome.REJECTED, None, code)


@pytest.mark.parametrize(
    ("status", "body", "kind", "match"),
    [
        (405, b"", PlatformRefused, "not for writing"),
        (403, error("need-privileges"), PlatformRefused, "not for writing"),
        (423, b"", PlatformDown, "locked"),
        (500, b"", PlatformDown, "the server failed"),
        (401, b"", PlatformRefused, "login was refused"),
    ],
)  # fmt: skip
def test_a_refusal_of_all_writing_is_an_error(
    hostile: Hostile, status: int, body: bytes, kind: type[ConcordError], match: str
) -> None:
    hostile.answer = lambda asked: Said(status, body)
    create = Operation("op", Verb.CREATE, None, "p", {"FN": "Ada"})
    caught(lambda: hostile.connector().write([create]), kind, match)


def test_without_an_etag_nothing_is_overwritten(hostile: Hostile) -> None:
    hostile.answer = lambda asked: Said(200, card("a").encode())
    update = Operation("op", Verb.UPDATE, "a", "p", {"FN": "b"}, {"FN": "a"})
    caught(lambda: hostile.connector().write([update]), PlatformRefused, "no ETags")
    assert [asked.method for asked in hostile.asked] == ["GET"]


def test_a_precondition_that_can_never_hold_is_a_rejection(hostile: Hostile) -> None:
    hostile.answer = lambda asked: (
        Said(412) if asked.method == "PUT" else Said(200, card("a").encode(), {"ETag": 'W/"1"'})
    )
    update = Operation("op", Verb.UPDATE, "a", "p", {"FN": "b"}, {"FN": "a"})
    (receipt,) = hostile.connector().write([update])
    assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "412")


def test_a_damaged_card_is_neither_edited_nor_lost(hostile: Hostile) -> None:
    damaged = {"ETag": '"1"'}
    hostile.answer = lambda asked: Said(200, card("a").encode()[:-5], damaged)
    update = Operation("op", Verb.UPDATE, "a", "p", {"FN": "b"}, {})
    (receipt,) = hostile.connector().write([update])
    assert (receipt.outcome, receipt.code) == (Outcome.CONFLICT, "record.damaged")
    assert [asked.method for asked in hostile.asked] == ["GET"]


def test_a_write_is_sent_byte_for_byte_but_for_its_line(hostile: Hostile) -> None:
    text = card("a").replace("\r\n", "\n").replace("UID:a", 'NOTE:x\\,\n  y\nX-A;B="c;d":\u2028')
    stored = {"ETag": '"1"'}

    def answer(asked: Asked) -> Said:
        if asked.method == "PUT":
            return Said(204, b"", {"ETag": '"2"'})
        if asked.method == "GET":
            return Said(200, text.encode(), stored)
        return Said(207, multistatus(there("a", text.replace("FN:a", "FN:b"), '"2"')))

    hostile.answer = answer
    update = Operation("op", Verb.UPDATE, "a", "p", {"FN": "b"}, {"FN": "a"})
    (receipt,) = hostile.connector().write([update])
    assert receipt.outcome is Outcome.OK
    put = next(asked for asked in hostile.asked if asked.method == "PUT")
    assert put.body.decode() == text.replace("FN:a", "FN:b")
    assert put.headers["If-Match"] == '"1"'
