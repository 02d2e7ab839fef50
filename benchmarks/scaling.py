"""How cost grows: with the rows there are, and with the rows that changed.

First every piece of `benchmarks.pieces` at once, at an eighth, a quarter, a half and all of the
contacts: CPU per row, and the slope of CPU over rows, both as logarithms (1 is linear). Then a lake
of each size in which one of a hundred changes, and in which always as many change: what the steps
compute, the writing of tables left out.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contacts import filled
from benchmarks.measure import said
from benchmarks.million import child, prepare
from benchmarks.reference import card, context, customer
from benchmarks.steps import LATER, PLATFORMS, read, receive

from concord.assets.point import Point
from concord.steps.acknowledge import acknowledge
from concord.steps.clean import clean
from concord.steps.consent import consent
from concord.steps.context import Context
from concord.steps.deploy import deploy
from concord.steps.plan import plan
from concord.steps.resolve import resolve
from concord.steps.survivorship import survivorship

CONTACTS = 1_000_000
PEOPLE = 100_000
"""In the second part; each has two records."""

PIECES = ("gate", "clean", "resolve", "survivorship", "plan")
SIZES = (1, 2, 4, 8)


@dataclass(slots=True)
class Commits:
    """CPU seconds spent in commits; to be called before and after each."""

    cpu: float = 0.0
    begun: float = 0.0

    def __call__(self, point: Point) -> None:
        """Before or after a commit."""
        now = time.process_time()
        if (point.kind, point.when) == ("commit", "after"):
            self.cpu += now - self.begun
        self.begun = now


def main(contacts: int, people: int) -> None:
    """Args: contacts, people: of the largest size."""
    for piece in PIECES:
        _by_rows(piece, [contacts * size // SIZES[-1] for size in SIZES])
    _by_changes([people * size // SIZES[-1] for size in SIZES])


def _by_rows(piece: str, sizes: Sequence[int]) -> None:
    spent = []
    for rows in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            prepare(piece, Path(scratch) / piece, rows)
            spent.append(child("benchmarks.pieces", piece, "whole", str(Path(scratch) / piece)).cpu)
    each = [cpu / rows * 1e6 for cpu, rows in zip(spent, sizes, strict=True)]
    facts = {
        f"{rows:,} rows": f"{micros:.1f} us a row" for rows, micros in zip(sizes, each, strict=True)
    }
    said(piece, **facts, slope=f"{_slope(sizes, spent):.2f}")


def _slope(sizes: Iterable[int], spent: Iterable[float]) -> float:
    """Of the straight line through the logarithms."""
    points = [(math.log(size), math.log(cpu)) for size, cpu in zip(sizes, spent, strict=True)]
    x, y = (sum(one) / len(points) for one in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def _by_changes(sizes: Sequence[int]) -> None:
    always = sizes[0] // 100
    for people in sizes:
        with tempfile.TemporaryDirectory() as folder:
            commits = Commits()
            ctx = replace(context(folder), at=commits)
            _settled(ctx, people)
            for count, what in ((always, f"{always} changed"), (people // 100, "1% changed")):
                _changed(ctx, people, count, what)
                costs = {name: _computing(work, commits) for name, work in _round(ctx)}
                total = sum(costs.values())
                shown = {name: f"{cpu:.2f}" for name, cpu in costs.items()}
                said(f"{people:,} people, {what}", **shown, all=f"{total:.2f}")
                receive(ctx)
                acknowledge(ctx, platform="crm")


def _settled(ctx: Context, people: int) -> None:
    """Everybody known to the CRM and to the address book, and agreed with the CRM."""
    deploy(ctx, resolved=False)
    for platform, count in zip(PLATFORMS, (people, people, 0), strict=True):
        filled(ctx, platform, count)
    for _ in range(2):
        for _name, work in _round(ctx):
            work()
        receive(ctx)
        acknowledge(ctx, platform="crm")


def _changed(ctx: Context, people: int, count: int, what: str) -> None:
    moved = range(0, people, people // count)
    read(ctx, "crm", (customer(n, company=what) for n in moved[::2]), at=LATER)
    read(ctx, "address_book", (card(n, ORG=what) for n in moved[1::2]), at=LATER)


def _round(ctx: Context) -> list[tuple[str, Callable[[], object]]]:
    def cleaned() -> None:
        for platform in PLATFORMS:
            clean(ctx, platform=platform)

    return [
        ("clean", cleaned),
        ("consent", lambda: consent(ctx)),
        ("resolve", lambda: resolve(ctx)),
        ("survivorship", lambda: survivorship(ctx)),
        ("plan", lambda: plan(ctx, platform="crm")),
    ]


def _computing(work: Callable[[], object], commits: Commits) -> float:
    """CPU seconds of *work* without those of its commits."""
    written, begun = commits.cpu, time.process_time()
    work()
    return time.process_time() - begun - (commits.cpu - written)


if __name__ == "__main__":
    sizes = [int(one) for one in sys.argv[1:]]
    main(*(sizes or (CONTACTS, PEOPLE)))
