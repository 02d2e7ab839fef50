"""An address book behind a proxy that misbehaves: bounded, told clearly, and never robbed."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import Fault, FaultProxy, down, drips, half, hangs, never_ends, says
from http_answers import BOMB, answer
from untrusted import untrusted

from concord.demo.radicale import Radicale
from concord.errors import (
    ConcordError,
    PlatformDown,
    PlatformRefused,
    Throttled,
    UnreadableInput,
)
from concord.platforms import carddav_book
from concord.platforms.base import Operation, Outcome, Verb
from concord.platforms.carddav import CardDav
from concord.platforms.conformance import assert_tells_nothing
from concord.platforms.connection import Connection
from concord.platforms.dav import Dav
from concord.platforms.dav_xml import multistatus
from concord.platforms.declaration import PlatformDeclaration

PATIENCE_S = 0.4
HEAD = b"HTTP/1.1 207 Multi-Status\r\n"
PROMISE = HEAD + b"Content-Length: 99999\r\n\r\n"
FAULTS: dict[str, tuple[Fault, type[ConcordError], str]] = {
    "down": (down, PlatformDown, "book: "),
    "hangs": (hangs, PlatformDown, "in time|more than 0.4 s"),
    "slow": (drips(PROMISE, endless=b"<a/>"), PlatformDown, "more than 0.4 s"),
    "slow without length": (drips(HEAD + b"\r\n", endless=b" "), PlatformDown, "more than 0.4 s"),
    "slow headers": (drips(HEAD, endless=b"X-A: b\r\n"), PlatformDown, "more than 0.4 s"),
    "no end of headers": (never_ends(HEAD, b"X-A: b\r\n" * 999), PlatformDown, "book: "),
    "not yet": (drips(b"", endless=b"HTTP/1.1 103 \r\n\r\n"), PlatformDown, "more than 0.4 s"),
    "half a response": (half(300), PlatformDown, "half an answer"),
    "429": (says(answer(429)), Throttled, "wait 5 s"),
    "429 with Retry-After": (says(answer(429, Retry_After="77")), Throttled, "wait 77 s"),
    "500": (says(answer(500, b"canary")), PlatformDown, "the server failed"),
    "garbage": (says(b"\x00\xff garbage \r\n\r\n"), PlatformDown, "half an answer"),
    "garbled XML": (says(answer(207, b"<html><p>canary")), UnreadableInput, "not the XML"),
    "a page for people": (says(answer(200, b"<html>canary")), PlatformRefused, "CardDAV"),
    "entity bomb": (says(answer(207, BOMB)), UnreadableInput, "not the XML"),
}


@pytest.fixture(scope="module")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    with Radicale(tmp_path_factory.mktemp("radicale")) as server:
        yield server


@pytest.fixture
def proxy(radicale: Radicale) -> Iterator[FaultProxy]:
    with FaultProxy(("127.0.0.1", port_of(radicale))) as made:
        yield made


def port_of(radicale: Radicale) -> int:
    return int(radicale.url.split(":")[2].split("/")[0])


def connection(
    radicale: Radicale, proxy: FaultProxy, scheme: str = "http", **extra: Any
) -> Connection:
    path = radicale.url.split("/", 3)[3]
    host = f"{scheme}://127.0.0.1:{proxy.port}/{path}"
    extra = {"timeout_s": PATIENCE_S, **extra}
    return Connection("c", "http", host, None, radicale.login, radicale.password, extra=extra)


def book(address: Connection) -> CardDav:
    declared = PlatformDeclaration.model_validate(
        {"kind": "carddav", "connection": "c", "purpose": "x", "fields": {"full_name": "FN"}}
    )
    return CardDav("book", declared, address, root=Path())


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_its_documented_error_in_time_and_tells_nothing(
    radicale: Radicale, proxy: FaultProxy, name: str
) -> None:
    fault, kind, told = FAULTS[name]
    started = time.monotonic()
    with book(connection(radicale, proxy)) as platform, proxy.doing(fault):
        with pytest.raises(kind, match=told) as caught:
            list(platform.listing())
        assert_tells_nothing(caught.value, radicale.password, "canary", str(proxy.port))
    assert time.monotonic() - started < 10


def test_an_answer_without_end_fills_no_memory(radicale: Radicale, proxy: FaultProxy) -> None:
    endless = never_ends(HEAD + b"\r\n", b"x" * 65536)
    tracemalloc.start()
    patient = connection(radicale, proxy, timeout_s=60)
    with (
        Dav("book", patient, largest_answer=1 << 21) as dav,
        proxy.doing(endless),
        pytest.raises(UnreadableInput, match="more than 2048 KiB"),
    ):
        dav.read("GET", "/")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 24


def test_a_redirect_sends_the_login_nowhere(radicale: Radicale, proxy: FaultProxy) -> None:
    with FaultProxy(("127.0.0.1", port_of(radicale))) as thief:
        away = says(answer(307, Location=f"http://127.0.0.1:{thief.port}/"))
        with (
            book(connection(radicale, proxy)) as platform,
            proxy.doing(away),
            pytest.raises(PlatformRefused, match="another host"),
        ):
            list(platform.listing())
        assert thief.heard == b""
    assert b"Authorization" in proxy.heard


def test_a_certificate_that_nobody_trusts_never_sees_the_login(
    radicale: Radicale, tmp_path: Path
) -> None:
    with FaultProxy(("127.0.0.1", port_of(radicale)), encrypted=untrusted(tmp_path)) as proxy:
        platform = book(connection(radicale, proxy, "https", timeout_s=60))
        with platform, pytest.raises(PlatformRefused, match="certificate is not trusted"):
            list(platform.listing())
        assert proxy.heard == b""


def told(token: str, *statuses: tuple[str, int], more: bool = False) -> bytes:
    """A sync report; *more* says that it is only a part."""
    parts = [(name, status) for name, status in statuses] + ([("", 507)] if more else [])
    listed = "".join(
        f"<D:response><D:href>/book/{name}</D:href>"
        f"<D:status>HTTP/1.1 {status} X</D:status></D:response>"
        for name, status in parts
    )
    body = f'<D:multistatus xmlns:D="DAV:">{listed}<D:sync-token>{token}</D:sync-token>'
    return answer(207, f"{body}</D:multistatus>".encode())


def scripted(*answers: bytes) -> Fault:
    """One answer after the other, then the first again."""

    def fault(talk: Any) -> None:
        number = 0
        while not talk.over.is_set():
            if not talk.said.endswith(b"\r\n\r\n"):  # the whole question, body included
                talk.client.sendall(answers[number % len(answers)])
                number += 1
            talk.said = talk.client.recv(65536)
            if not talk.said:
                return

    return fault


def in_book(radicale: Radicale, proxy: FaultProxy) -> carddav_book.Book:
    dav = Dav("book", connection(radicale, proxy, timeout_s=60))
    return carddav_book.Book(dav, "/book/", ["FN"])


def test_a_report_that_goes_in_circles_ends(radicale: Radicale, proxy: FaultProxy) -> None:
    circle = scripted(*(told(token, (token, 200), more=True) for token in ("t1", "t2", "t3")))
    made = in_book(radicale, proxy)
    with proxy.doing(circle), pytest.raises(UnreadableInput, match="never finishes"):
        made.changed("")
    assert made.dav.calls == 4


def test_a_report_without_end_is_not_kept(
    radicale: Radicale, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carddav_book, "_MOST_CARDS", 9)
    pages = (told(f"t{n}", (f"a{n}", 200), (f"b{n}", 200), more=True) for n in range(50))
    made = in_book(radicale, proxy)
    with proxy.doing(scripted(*pages)), pytest.raises(UnreadableInput, match="never finishes"):
        made.changed("")
    assert made.dav.calls == 5


def test_a_card_that_is_called_both_there_and_gone_is_read(
    radicale: Radicale, proxy: FaultProxy
) -> None:
    both = told("t", ("a", 200), ("a", 404), ("b", 404), ("b", 200), ("c", 404))
    with proxy.doing(scripted(both)):
        found = in_book(radicale, proxy).changed("before")
    assert (list(found.present), list(found.gone)) == (["a", "b"], ["c"])


def test_an_etag_that_http_cannot_carry_is_refused(radicale: Radicale, proxy: FaultProxy) -> None:
    card = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:a\r\nEND:VCARD\r\n"
    there = answer(200, card, ETag='"\u00e9"')
    update = Operation("u", Verb.UPDATE, "a", "p", {"FN": "b"}, {"FN": "a"})
    with book(connection(radicale, proxy, timeout_s=60)) as platform:
        platform._found = in_book(radicale, proxy)
        with proxy.doing(says(there)), pytest.raises(PlatformRefused, match="ETag") as caught:
            platform.write([update])
    assert_tells_nothing(caught.value, "\u00e9")


def test_one_unending_token_takes_no_quadratic_time() -> None:
    body = b"<x><!--" + b"a" * (1 << 24) + b"--></x>"
    started = time.process_time()
    assert multistatus(body, "book").responses == ()
    assert time.process_time() - started < 5


@pytest.mark.parametrize("stated", ["soon", 0, -1, "1e9", None, [], "nan"])
def test_patience_that_is_no_number_of_seconds_is_refused(stated: Any) -> None:
    address = Connection("c", "http", "http://x.example", extra={"timeout_s": stated})
    with pytest.raises(PlatformRefused, match="timeout_s"):
        Dav("book", address)


def test_a_write_whose_answer_is_lost_is_found_by_its_person(
    radicale: Radicale, proxy: FaultProxy
) -> None:
    create = Operation("c", Verb.CREATE, None, "lost-answer", {"FN": "Ann"})
    with book(connection(radicale, proxy, timeout_s=60)) as platform:
        list(platform.listing())
        with proxy.doing(half(20), when=b"PUT "), pytest.raises(PlatformDown):
            platform.write([create])
        assert [one.fields["FN"] for one in platform.find(["lost-answer"])] == ["Ann"]
        assert platform.write([create])[0].outcome is Outcome.EXISTS
