"""Platforms that misbehave, a disk that is full: one branch fails, others go on, all is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import stamina
from fault_proxy import Fault, FaultProxy, half, hangs, says
from full_disk import full_disk
from http_answers import BOMB, answer

from concord.errors import (
    ConcordError,
    NotWritten,
    PlatformDown,
    Throttled,
    UnreadableInput,
)

if TYPE_CHECKING:
    from conftest import World

PATIENCE = {"timeout_s": 0.5}
BOOK_FAULTS: dict[str, tuple[Fault, type[ConcordError], str]] = {
    "hangs": (hangs, PlatformDown, "timeout"),
    "half a response": (half(300), PlatformDown, "half an answer"),
    "429": (says(answer(429, Retry_After="77")), Throttled, "wait 77 s"),
    "entity bomb": (says(answer(207, BOMB)), UnreadableInput, "not the XML"),
}
CRM_FAULTS: dict[str, Fault] = {"hangs": hangs, "half a response": half(60)}


@contextmanager
def between(people: World, platform: str) -> Iterator[FaultProxy]:
    """A proxy between Concord and the platform."""
    there = people.connections[platform]
    with ExitStack() as stack:
        if platform == "crm":
            proxy = stack.enter_context(FaultProxy(f"{there.host}/.s.PGSQL.5432"))
            local = {"host": "127.0.0.1", "port": proxy.port}
            extra = {"sslmode": "disable", "connect_timeout": 2}
        else:
            parts = urlsplit(there.host)
            proxy = stack.enter_context(FaultProxy((parts.hostname or "", parts.port or 80)))
            local = {"host": there.host.replace(f":{parts.port}", f":{proxy.port}")}
            extra = {}
        through = replace(there, **local, extra={**extra, **PATIENCE})
        people.connections[platform] = through
        stack.enter_context(stamina.set_testing(True))
        yield proxy
        people.connections[platform] = there


@pytest.mark.parametrize("name", BOOK_FAULTS)
def test_an_address_book_that_misbehaves_fails_alone(people: World, name: str) -> None:
    fault, kind, told = BOOK_FAULTS[name]
    people.crm.edit("anna@x.example", company="Neu AG")
    with between(people, "address_book") as proxy, proxy.doing(fault):
        run = people.run()
    error = run.failed.pop("extract.address_book")
    assert run.failed == {}
    assert isinstance(error, kind)
    assert str(error).startswith("address_book: ")
    assert told in str(error)
    assert "canary" not in str(error)
    assert people.golden("Anna")["organisation"] == "Neu AG"
    assert "ORG:Acme" in people.book.text("a")
    assert people.run().failed == {}
    assert "ORG:Neu AG" in people.book.text("a")


@pytest.mark.parametrize("name", CRM_FAULTS)
def test_a_database_that_misbehaves_fails_alone(people: World, name: str) -> None:
    people.book.edit("a", "ORG:Acme", "ORG:Neu AG")
    with between(people, "crm") as proxy, proxy.doing(CRM_FAULTS[name], when=b" FROM "):
        run = people.run()
    error = run.failed.pop("extract.crm")
    assert run.failed == {}
    assert isinstance(error, PlatformDown)
    assert str(error).startswith("crm: ")
    assert people.golden("Anna")["organisation"] == "Neu AG"
    assert people.crm.value("company", id=1) == "Acme"
    assert people.run().failed == {}
    assert people.crm.value("company", id=1) == "Neu AG"


def test_a_folder_that_misbehaves_fails_alone(people: World) -> None:
    people.newsletter.file.write_bytes(b'"' + bytes(range(256)) * 50)
    people.crm.edit("anna@x.example", company="Neu AG")
    run = people.run()
    assert {name: type(one) for name, one in run.failed.items()} == {
        "extract.newsletter": UnreadableInput
    }
    assert "ORG:Neu AG" in people.book.text("a")


@pytest.mark.parametrize("room", [0, 4_500])
def test_on_a_full_disk_nothing_is_lost_and_nothing_half_written(people: World, room: int) -> None:
    people.crm.edit("anna@x.example", company="Neu AG")
    people.newsletter.write(
        "N1;anna@x.example;Anna;Gruber;fr;subscribed;2024-02-01T00:00:00+00:00;;;spring"
    )
    golden = people.frame("golden/contacts")
    with full_disk(room):
        run = people.run()
    assert run.failed
    for error in run.failed.values():
        assert isinstance(error, NotWritten)
        assert "no room is left [EFBIG]" in str(error)
    assert people.frame("golden/contacts").equals(golden)
    assert people.run().failed == {}
    assert people.golden("Anna")["organisation"] == "Neu AG"
    assert people.golden("Anna")["language"] == "fr"
    assert "ORG:Neu AG" in people.book.text("a")
    people.settle_down()
