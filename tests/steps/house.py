"""Three platforms over a real lake, known by what was read of them; no platform is asked."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from concord.assets.snapshot import Change, publish
from concord.assets.table import Lake, Table
from concord.errors import ContractBroken, MissingConnection
from concord.normalise.claims import claim_column, native_claim
from concord.normalise.native import native
from concord.platforms.base import Record
from concord.platforms.connection import Connection
from concord.project import load
from concord.steps.acknowledge import acknowledge
from concord.steps.clean import clean
from concord.steps.consent import consent
from concord.steps.context import Context
from concord.steps.plan import plan, plan_positions, unready
from concord.steps.plan_scope import concerned
from concord.steps.planning import planned_operations
from concord.steps.platforms import mapping_for
from concord.steps.raw_rows import Seen, known_rows, raw_frame, seen_rows
from concord.steps.reading import Readings
from concord.steps.receipts import append_receipts, unsettled
from concord.steps.resolve import resolve
from concord.steps.survivorship import survivorship
from concord.steps.tables import frame_schema
from concord.sync.operations import StoredReceipt
from concord.sync.values import load as load_text

ROOT = Path(__file__).parents[2]
START = datetime(2026, 1, 1, tzinfo=UTC)
PLATFORMS = ("crm", "address_book", "newsletter")


def nowhere(name: str) -> Connection:
    raise MissingConnection(name)


class House:
    """Three platforms, known by what was read of them, and every step after reading."""

    def __init__(self, template: Context, folder: Path, environment: str | None) -> None:
        shutil.copytree(template.lake.root, folder / "lake")
        self.hours = 0
        self.screened = 0
        self.ctx = dataclasses.replace(
            template,
            project=load(ROOT, environment),
            lake=Lake(str(folder / "lake")),
            now=self.now,
        )
        for platform in PLATFORMS:
            self.read(platform, {})

    def now(self) -> datetime:
        return START + timedelta(hours=self.hours)

    def read(self, platform: str, records: Mapping[str, dict[str, Any] | None]) -> None:
        """Publish what *records* now say; None is deleted."""
        self.hours += 1
        mapping, table = mapping_for(self.ctx, platform), self.ctx.open(f"raw/{platform}")
        columns = tuple(sorted(mapping.fields.columns))
        extra = Readings("here", "mapping", columns).to_extra()
        some = [
            Seen(
                self.ctx.record_id(platform, name),
                Record(name, said or {}, modified_at=self.now(), deleted=said is None),
                self.now(),
            )
            for name, said in records.items()
        ]
        known = known_rows(table, [one.record_id for one in some])
        frame = raw_frame(self.ctx, platform, seen_rows(mapping, known, some))
        publish(table, lambda *_: Change(frame, extra=extra), upto={}, run=self.ctx.run)

    def weigh(self, steps: set[str]) -> None:
        """Run some of the steps; where too much is bad, the last good snapshot stays."""
        self.hours += 1
        if "clean" in steps:
            for platform in PLATFORMS:
                with suppress(ContractBroken):
                    clean(self.ctx, platform=platform)
        for step in (consent, resolve, survivorship):
            if step.__name__ in steps:
                with suppress(ContractBroken):
                    step(self.ctx)

    def plan(self, platform: str) -> None:
        """Plan, having seen that weighing everybody, one by one, gives the same."""
        if unready(self.ctx, platform) is None:
            inputs, current, cursors = self.planning(platform)
            schema = dict(frame_schema(self.ctx.project, current.dataset.name))
            del schema["_row_hash"]

            def planned(*, whole: bool, screen: bool) -> list[dict[str, Any]]:
                scope = concerned(inputs, current, cursors, platform=platform, whole=whole)
                found = planned_operations(
                    self.ctx, platform, inputs, current, scope, screen=screen
                )
                self.screened += found.agreed.height
                return found.rows(schema).to_dicts()

            everybody = planned(whole=True, screen=False)
            assert planned(whole=True, screen=True) == everybody
            if cursors["terms"] >= 0:
                assert planned(whole=False, screen=True) == everybody
        plan(self.ctx, platform=platform)

    def planning(self, platform: str) -> tuple[dict[str, Table], Table, dict[str, int]]:
        """What a plan reads, the plan as it stands, and its cursors."""
        reads = self.ctx.project.job(f"plan.{platform}").reads
        current = self.ctx.open(f"sync/{platform}/plan")
        upto = plan_positions(self.ctx, platform)
        cursors = {name: current.cursor(name, at.table_id) for name, at in upto.items()}
        return {name: self.ctx.open(name) for name in reads}, current, cursors

    def deliver(self, platform: str, statuses: list[str]) -> None:
        """Answer released operations by *statuses*, in turn."""
        self.hours += 1
        mapping = mapping_for(self.ctx, platform)
        claims = {claim_column(one): one for one in mapping.fields.claims}
        receipts = []
        for place, op in enumerate(unsettled(self.ctx, platform)):
            status = "agree" if op.kind == "agree" else statuses[place % len(statuses)]
            if status != "ok" or op.kind == "delete":
                receipts.append(StoredReceipt.to(op, status, self.now()))
                continue
            plain = {name: value for name, value in op.payload.items() if name not in claims}
            current = None if op.kind == "create" else op.expect
            values = dict(native(plain, mapping.fields, current=current))
            for name, said in op.payload.items():
                if name in claims:
                    told = {"claim": said, "at": self.now().isoformat()}
                    values |= native_claim(claims[name], told)
            remote_id = op.remote_id or f"made-{op.person_id}"
            record_id = self.ctx.record_id(platform, remote_id)
            known = known_rows(self.ctx.open(f"raw/{platform}"), [record_id]).get(record_id)
            before = dict(load_text(known["fields"])) if known else {}
            receipts.append(
                StoredReceipt.to(
                    op,
                    "ok",
                    self.now(),
                    record_id=record_id,
                    remote_id=remote_id,
                    image={**before, **values},
                )
            )
        append_receipts(self.ctx, platform, receipts)
        acknowledge(self.ctx, platform=platform)


def crm(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "first_name": said["name"], "last_name": "Gruber", "email": said["email"],
        "phone": said["phone"], "company": said["company"], "job_title": None, "street": None,
        "city": None, "zip": None, "country": said["country"], "born_on": None, "language": None,
        "created_at": None, "opt_in": said["opt_in"], "opt_in_at": said["opt_in_at"],
    }  # fmt: skip


def card(said: Mapping[str, Any]) -> dict[str, Any]:
    fields = dict.fromkeys(
        ("N.given", "N.family", "FN", "EMAIL", "TEL", "ORG", "TITLE", "ADR.street", "ADR.locality",
         "ADR.region", "ADR.postal_code", "ADR.country", "BDAY")
    )  # fmt: skip
    fields |= {"N.given": said["name"], "N.family": "Gruber", "ORG": said["company"]}
    for field, value in (("EMAIL", said["email"]), ("TEL", said["phone"])):
        fields[field] = [{"value": value, "type": "work", "preferred": True}] if value else None
    return fields | {"ADR.country": said["country"]}


def subscriber(said: Mapping[str, Any]) -> dict[str, Any]:
    status = {"true": "subscribed", "false": "unsubscribed", None: None}[said["opt_in"]]
    return {
        "first name": said["name"], "last name": "Gruber", "email": said["email"],
        "language": None, "status": status, "status since": said["opt_in_at"],
    }  # fmt: skip


SHAPES = {"crm": crm, "address_book": card, "newsletter": subscriber}
