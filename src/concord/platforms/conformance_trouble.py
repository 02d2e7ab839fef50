"""The conformance suite's part on trouble: every documented error, met and survived.

What `Source` and `Sink` promise (`concord.platforms.base`): an error of the documented class that
tells nothing, in bounded time; afterwards the same connector works, and nothing is half written.
"""

# ruff: noqa: D102 (a test's name is its sentence)

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from concord.errors import (
    ConcordError,
    CursorExpired,
    PlatformDown,
    PlatformRefused,
    Throttled,
    UnreadableInput,
)
from concord.platforms.base import CreateKey, Operation, Outcome, Record, Verb
from concord.platforms.bench import Bench, Connector, Trouble, assert_tells_nothing

__all__ = ["InTrouble"]

_DOCUMENTED: dict[Trouble, tuple[type[ConcordError], ...]] = {
    Trouble.DOWN: (PlatformDown,),
    Trouble.HANGS: (PlatformDown,),
    Trouble.HALF: (PlatformDown,),
    Trouble.FAILS: (PlatformDown,),
    Trouble.THROTTLES: (Throttled,),
    Trouble.REFUSES: (PlatformRefused,),
    Trouble.BABBLES: (UnreadableInput, PlatformDown),
}
_LONGEST_S = 30.0  # of one call in trouble
_VALUE = "Ann Canary"

_READING: dict[str, Callable[[Connector, str], Any]] = {
    "check": lambda platform, _: platform.check(),
    "listing": lambda platform, _: list(platform.listing()),
    "changes": lambda platform, cursor: list(platform.changes(cursor)),
    "read": lambda platform, _: platform.read(["never-was"]),
}


class InTrouble:
    """The tests; `SourceSinkConformance` brings them to every kind."""

    @pytest.mark.parametrize("call", sorted(_READING))
    @pytest.mark.parametrize("trouble", Trouble)
    def test_reading_in_trouble_is_a_documented_error_and_works_again_afterwards(
        self, bench: Bench, trouble: Trouble, call: str
    ) -> None:
        remote_id = bench.add({bench.first: _VALUE, bench.second: None})
        cursor = _cursor(bench)
        with bench.troubled(trouble) as platform:
            if platform is None:
                pytest.skip("no such trouble here")
            _assert_documented(bench, trouble, lambda: _READING[call](platform, cursor))
        (record,) = platform.read([remote_id])
        assert record.fields[bench.first] == _VALUE

    @pytest.mark.parametrize("trouble", Trouble)
    def test_writing_in_trouble_is_settled_by_reading_and_happens_once(
        self, bench: Bench, trouble: Trouble
    ) -> None:
        kept = bench.add({bench.first: "kept", bench.second: None})
        values = {bench.first: _VALUE, bench.second: "x"}
        create = Operation("create", Verb.CREATE, None, "p1", values)
        with bench.troubled(trouble) as platform:
            if platform is None:
                pytest.skip("no such trouble here")
            _assert_documented(bench, trouble, lambda: platform.write([create]))
        assert _texts(platform, bench) in (["kept"], [_VALUE, "kept"])
        if platform.capabilities.create_key is not CreateKey.NONE:
            landed = list(platform.find(["p1"]))
            (receipt,) = platform.write([create])
            assert receipt.outcome is (Outcome.EXISTS if landed else Outcome.OK)
            assert _texts(platform, bench) == [_VALUE, "kept"]
        assert platform.read([kept])[0].fields[bench.first] == "kept"

    def test_a_cursor_that_the_platform_forgot_is_told_so_and_a_listing_still_works(
        self, bench: Bench
    ) -> None:
        if bench.forgotten is None:
            pytest.skip("cursors of this kind never expire")
        bench.add({bench.first: "Ann", bench.second: None})
        with pytest.raises(CursorExpired) as caught:
            list(bench.connector.changes(bench.forgotten))
        assert caught.value.transient
        assert_tells_nothing(caught.value, bench.secret, bench.forgotten)
        assert _texts(bench.connector, bench) == ["Ann"]

    def test_a_record_that_cannot_be_read_whole_comes_with_a_fault_and_alone(
        self, bench: Bench
    ) -> None:
        sound = bench.add({bench.first: "Ann", bench.second: None})
        fault = bench.spoil()
        if fault is None:
            pytest.skip("this platform keeps every record whole")
        found = _listed(bench.connector)
        assert sorted(one.fault or "" for one in found) == ["", fault]
        (bad,) = (one for one in found if one.fault)
        assert bad.place
        assert (bad.remote_id is None) == (fault == "id.missing")
        assert next(one for one in found if not one.fault).remote_id == sound


def _assert_documented(bench: Bench, trouble: Trouble, call: Callable[[], Any]) -> None:
    started = time.monotonic()
    with pytest.raises(_DOCUMENTED[trouble]) as caught:
        call()
    assert time.monotonic() - started < _LONGEST_S
    assert_tells_nothing(caught.value, bench.secret, _VALUE)
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after_s > 0


def _cursor(bench: Bench) -> str:
    *_, last = bench.connector.listing()
    assert last.cursor
    return last.cursor


def _listed(platform: Connector) -> list[Record]:
    return [record for page in platform.listing() for record in page.records]


def _texts(platform: Connector, bench: Bench) -> list[str]:
    return sorted(str(one.fields[bench.first]) for one in _listed(platform) if not one.deleted)
