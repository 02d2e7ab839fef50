"""Steps over 50,000 people on two platforms: everything new, and then 100 records changed.

The lake is filled by the steps themselves; only reading a platform and writing to it are left out.
Cost follows what changed, so the second figure should be next to nothing of the first: the ratio
is of CPU seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta

from benchmarks.measure import measured
from benchmarks.reference import AT, card, customer, deployed

from concord.assets.snapshot import Change, publish
from concord.platforms.base import Record
from concord.steps.acknowledge import acknowledge
from concord.steps.clean import clean
from concord.steps.consent import consent
from concord.steps.context import Context
from concord.steps.plan import plan
from concord.steps.platforms import mapping_for
from concord.steps.raw_rows import Seen, known_rows, raw_frame, seen_rows
from concord.steps.reading import Readings
from concord.steps.receipts import append_receipts, unsettled
from concord.steps.resolve import resolve
from concord.steps.survivorship import survivorship
from concord.sync.operations import StoredReceipt

PEOPLE = 50_000
CHANGED = 100
PLATFORMS = ("crm", "address_book", "newsletter")
LATER = AT + timedelta(days=1)
_SOME = 10_000


def main(people: int) -> None:
    """Args: people: how many are known to the CRM and to the address book."""
    with deployed() as ctx:
        read(ctx, "crm", map(customer, range(people)))
        read(ctx, "address_book", map(card, range(people)))
        read(ctx, "newsletter", ())
        round_of(ctx, "everything new")
        receive(ctx)
        measured("acknowledge, everything new", lambda: acknowledge(ctx, platform="crm"))
        measured("plan, everything just agreed", lambda: plan(ctx, platform="crm"))
        name = f"{CHANGED} changed"
        moved = range(0, people, people // CHANGED)
        read(ctx, "crm", (customer(n, company="Neu") for n in moved[::2]), at=LATER)
        read(ctx, "address_book", (card(n, ORG="Neu") for n in moved[1::2]), at=LATER)
        round_of(ctx, name, against="everything new")
        receive(ctx)
        measured(
            f"acknowledge, {name}",
            lambda: acknowledge(ctx, platform="crm"),
            against="acknowledge, everything new",
        )


def read(ctx: Context, platform: str, records: Iterable[Record], *, at: datetime = AT) -> None:
    """What `extract` does once it has the platform's records."""
    mapping, table = mapping_for(ctx, platform), ctx.open(f"raw/{platform}")
    everything = list(records)
    columns = tuple(sorted(mapping.fields.columns))
    extra = Readings("here", "mapping", columns).to_extra()
    for start in range(0, len(everything) or 1, _SOME):
        some = [
            Seen(ctx.record_id(platform, one.remote_id or ""), one, at)
            for one in everything[start : start + _SOME]
        ]
        known = known_rows(table, [one.record_id for one in some])
        frame = raw_frame(ctx, platform, seen_rows(mapping, known, some))
        publish(table, lambda *_, frame=frame: Change(frame, extra=extra), upto={}, run=ctx.run)


def round_of(ctx: Context, name: str, *, against: str | None = None) -> None:
    """Every step after reading, once."""

    def against_of(step: str) -> str | None:
        return f"{step}, {against}" if against else None

    def cleaned() -> None:
        for platform in PLATFORMS:
            clean(ctx, platform=platform)

    measured(f"clean, {name}", cleaned, against=against_of("clean"))
    for step, work in (
        ("consent", lambda: consent(ctx)),
        ("resolve", lambda: resolve(ctx)),
        ("survivorship", lambda: survivorship(ctx)),
        ("plan", lambda: plan(ctx, platform="crm")),
    ):
        measured(f"{step}, {name}", work, against=against_of(step))


def receive(ctx: Context) -> None:
    """What `deliver` does, on a platform that refuses every write."""
    done = [
        StoredReceipt.to(op, "agree" if op.kind == "agree" else "rejected", AT)
        for op in unsettled(ctx, "crm")
    ]
    append_receipts(ctx, "crm", done)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE)
