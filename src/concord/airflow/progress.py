"""Progress of a run: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from concord.airflow.messages import Event

__all__ = ["progress_on"]

_LAST = 12
_STYLE = {"success": "green", "skipped": "dim", "failed": "red", "up_for_retry": "yellow"}


@contextmanager
def progress_on(console: Console) -> Iterator[Callable[[Event], None]]:
    """Yield what takes events: to a live table on a terminal, else one line each."""
    if not console.is_terminal:
        yield lambda event: _plain(console, event)
        return
    board = _Board()
    with Live(board, console=console, refresh_per_second=8, transient=True):
        yield board.take


def _plain(console: Console, event: Event) -> None:
    line = _line(event)
    if line:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _line(event: Event) -> str:
    if event.what == "end":
        label = f"{event.step} {event.platform or ''}".strip() + _chunk(event)
        again = f", try {event.try_number}" if event.try_number > 1 else ""
        return f"{label}: {event.state.replace('_', ' ')} ({event.seconds:.1f} s{again})"
    return event.text if event.what in ("stage", "refused") else ""


def _chunk(event: Event) -> str:
    return f" [{event.map_index}]" if event.map_index >= 0 else ""


@dataclass(slots=True)
class _Board:
    """The last finished tasks, and what runs now."""

    rows: list[Event] = field(default_factory=list)
    now: Event | None = None
    stage: str = ""
    detail: str = ""
    since: float = field(default_factory=time.monotonic)

    def take(self, event: Event) -> None:
        if event.what == "start":
            self.now, self.stage, self.detail = event, "", ""
        elif event.what == "end":
            self.now, self.detail = None, ""
            self.rows.append(event)
        elif event.what == "stage":
            self.stage = event.text
        elif event.what == "progress":
            self.detail = _detail(event)

    def __rich__(self) -> RenderableType:
        table = Table(box=None, show_header=False, padding=(0, 1))
        for _ in range(5):
            table.add_column()
        for event in self.rows[-_LAST:]:
            state = Text(event.state.replace("_", " "), style=_STYLE.get(event.state, ""))
            place = (event.platform or "") + _chunk(event)
            table.add_row("", event.step, place, state, f"{event.seconds:.1f} s")
        waiting = self.stage or "waiting"
        label = waiting if self.now is None else f"{self.now.step} {self.now.platform or ''}"
        elapsed = f"{time.monotonic() - self.since:.0f} s"
        return Group(table, Spinner("dots", Text(f"{label} {self.detail} · {elapsed}")))


def _detail(event: Event) -> str:
    done, total, unit = (event.data.get(name) for name in ("done", "total", "unit"))
    return f"{done} of {total} {unit}" if total is not None else f"{done} {unit}"
