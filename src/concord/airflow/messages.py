"""What front and worker tell each other: one order down, one JSON line an event up."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["EVENTS", "ORDER", "RUN", "STOP", "Event", "Order", "tell"]

EVENTS = "CONCORD_EVENTS"
ORDER = "CONCORD_ORDER"
RUN = "CONCORD_RUN"
STOP = "CONCORD_STOP"


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker has to do.

    Attributes:
        first: Dags to trigger first; None triggers every extract.
        only: jobs whose Dags may run; None lets all.
        conf: parameters of those Dags' runs, for example ``{"full_refresh": true}``.
        rounds: how often the sweep may trigger Dags whose cursors are behind.
    """

    first: tuple[str, ...] | None = None
    conf: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 4
    only: tuple[str, ...] | None = None

    def to_json(self) -> str:
        """The order as the worker's environment carries it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        first = data["first"]
        only = data["only"]
        return cls(
            None if first is None else tuple(first),
            data["conf"],
            data["rounds"],
            None if only is None else tuple(only),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in the worker or in one of its tasks.

    Attributes:
        what: ``stage`` (text), ``start`` and ``end`` (of a task), ``progress`` and ``result``
            (data, from inside a task), ``failed`` (a failed task, once, at the end), ``behind``
            (text: jobs whose cursors are behind though nothing failed), ``done`` (the worker
            itself, at its very end), ``refused`` (text: why nothing ran).
        state: Airflow's state of the task instance after this try.
        seconds: of this try.
        text: one sentence; no values.
        data: small JSON; no values.
    """

    what: str
    dag: str = ""
    task: str = ""
    step: str = ""
    platform: str | None = None
    map_index: int = -1
    try_number: int = 0
    state: str = ""
    seconds: float = 0.0
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_line(self) -> str:
        """One JSON line; what has its default is left out."""
        plain = asdict(Event(self.what))
        told = {name: value for name, value in asdict(self).items() if value != plain[name]}
        return json.dumps({"what": self.what, **told}) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Event:
        """Read what `to_line` wrote."""
        return cls(**json.loads(line))


def tell(event: Event) -> None:
    """Write *event* to the front, if there is one.

    One write of at most a pipe's atomic size, so lines of tasks and worker never mix; an event
    that is longer goes without its data.
    """
    place = os.environ.get(EVENTS)
    if not place:
        return
    line = event.to_line().encode()
    if len(line) > _ATOMIC:
        line = Event(**{**asdict(event), "data": {}}).to_line().encode()
    try:
        os.write(int(place), line)
    except OSError:
        os.environ.pop(EVENTS, None)


_ATOMIC = 4096  # PIPE_BUF, pipe(7)
