"""Steps look at those to whom something happened, and that gives what looking at all would."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.assets.commit import RunId
from concord.assets.snapshot import Change, publish
from concord.assets.table import Lake, Table
from concord.errors import ContractBroken, MissingConnection
from concord.normalise.claims import claim_column, native_claim
from concord.normalise.native import native
from concord.platforms.base import Record
from concord.platforms.connection import Connection
from concord.project import load
from concord.steps import planning
from concord.steps.acknowledge import acknowledge
from concord.steps.approve import approve
from concord.steps.clean import clean
from concord.steps.consent import consent
from concord.steps.context import Context
from concord.steps.deploy import deploy
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
PLANNED = ("crm", "newsletter")
NAMES = ("Anna", "Bert", "Petra")


def _nowhere(name: str) -> Connection:
    raise MissingConnection(name)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Context:
    root = tmp_path_factory.mktemp("scope")
    ctx = Context(
        project=load(ROOT, "demo"),
        run=RunId("run", "job"),
        lake=Lake(str(root / "lake")),
        record_key=b"k" * 32,
        connect=_nowhere,
        now=lambda: START,
        tell=lambda _: None,
    )
    deploy(ctx, resolved=False)
    return ctx


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
people = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "email": st.sampled_from(["a@x.example", "b@x.example", "c@x.example", "no address"]),
        "phone": st.sampled_from(["+436601239871", "+436601239872", None]),
        "company": st.sampled_from(["Acme", 'Ünal "Q" & Söhne\\', None]),
        "country": st.sampled_from(["AT", "FR"]),
        "opt_in": st.sampled_from(["true", "false", None]),
        "opt_in_at": st.sampled_from(["2024-02-01T00:00:00+00:00", "2025-02-01T00:00:00+00:00"]),
    }
)
readings = st.lists(
    st.tuples(st.sampled_from(PLATFORMS), st.sampled_from("123"), people | st.none()), max_size=4
)
steps = st.sampled_from(
    [{"clean", "consent", "resolve", "survivorship"}] * 4
    + [{"clean"}, {"clean", "resolve"}, {"consent"}, {"clean", "consent", "survivorship"}, set()]
)
rounds = st.tuples(
    readings,
    steps,
    st.lists(
        st.sampled_from(["ok", "ok", "ok", "rejected", "not_sent", "conflict"]),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["all", "some", "none"]),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    histories=st.lists(rounds, min_size=2, max_size=6),
    environment=st.sampled_from(["demo", None]),
)
def test_planning_the_concerned_is_planning_everybody(
    template: Context,
    tmp_path_factory: pytest.TempPathFactory,
    histories: list[Any],
    environment: str | None,
) -> None:
    house = House(template, tmp_path_factory.mktemp("house"), environment)
    for read, steps, statuses, approved in histories:
        for platform, name, said in read:
            house.read(platform, {name: SHAPES[platform](said) if said else None})
        house.weigh(steps)
        for platform in PLANNED:
            house.plan(platform)
            pending = house.ctx.open(f"sync/{platform}/plan").frame()
            ids = pending.filter(pl.col("state") == "pending").collect()["op_id"].sort().to_list()
            if approved != "none":
                approve(house.ctx, platform, only=ids if approved == "all" else ids[::2])
            house.deliver(platform, statuses)


EVERYTHING = {"clean", "consent", "resolve", "survivorship"}
ANN = {"name": "Anna", "email": "a@x.example", "phone": None, "company": "Acme", "country": "AT",
       "opt_in": None, "opt_in_at": None}  # fmt: skip


@pytest.fixture
def rested(template: Context, tmp_path: Path) -> House:
    """Two people in the CRM, everything agreed."""
    house = House(template, tmp_path, "demo")
    house.read("crm", {"1": crm(ANN), "2": crm({**ANN, "name": "Bert", "email": "b@x.example"})})
    house.weigh(EVERYTHING)
    for _ in range(2):
        house.plan("crm")
        house.deliver("crm", ["ok"])
    return house


def test_one_record_changed_is_one_person_weighed_and_planned(rested: House) -> None:
    rested.read("crm", {"1": crm({**ANN, "company": "Muster"})})
    rested.weigh(EVERYTHING - {"survivorship"})
    assert survivorship(rested.ctx).rows_in == 1
    inputs, current, cursors = rested.planning("crm")
    scope = concerned(inputs, current, cursors, platform="crm", whole=False)
    assert (len(scope.persons), len(scope.records)) == (1, 1)


def test_who_agrees_with_the_platform_is_not_weighed_one_by_one(
    template: Context, tmp_path: Path
) -> None:
    house = House(template, tmp_path, "demo")
    said = {**ANN, "company": 'Ünal "Q" & Söhne\\'}
    house.read("crm", {"1": crm(said), "2": crm({**said, "name": "Bert", "email": "b@x.example"})})
    house.weigh(EVERYTHING)
    house.plan("crm")
    assert house.screened > 0
    rows = house.ctx.open("sync/crm/plan").frame().collect()
    assert rows["kind"].to_list() == ["agree", "agree"]
    house.deliver("crm", ["ok"])
    inputs, current, cursors = house.planning("crm")
    scope = concerned(inputs, current, cursors, platform="crm", whole=True)
    weighed = planning.screened_scope(house.ctx, "crm", inputs, scope)
    assert (len(weighed.scope.persons), len(weighed.scope.records)) == (0, 0)
    assert weighed.agreed.height == 0


def test_a_platform_without_rows_makes_nobody_new(rested: House) -> None:
    rested.read("address_book", {"9": card({**ANN, "name": "Petra", "email": "p@x.example"})})
    rested.weigh(EVERYTHING - {"survivorship"})
    assert survivorship(rested.ctx).rows_in == 1


def test_other_rules_of_golden_judge_everybody_again(rested: House) -> None:
    contracts = dict(rested.ctx.project.contracts)
    golden = contracts["golden/contacts"]
    contracts["golden/contacts"] = dataclasses.replace(golden, rules=golden.rules[:-1])
    rested.ctx = dataclasses.replace(
        rested.ctx, project=dataclasses.replace(rested.ctx.project, contracts=contracts)
    )
    assert survivorship(rested.ctx).rows_in == 2


def test_a_withdrawal_reaches_a_record_of_nobody_that_did_not_change(rested: House) -> None:
    many = {str(n): crm({**ANN, "email": f"p{n}@x.example"}) for n in range(10, 60)}
    faulty = {**crm({**ANN, "email": "n@x.example"}), "born_on": "no date"}
    rested.read("crm", {**many, "3": faulty})
    rested.weigh(EVERYTHING)
    assert rested.ctx.open("quarantine/crm").count() == 1
    assert rested.ctx.open("people/crosswalk").count() == 52
    rested.plan("crm")
    rested.deliver("crm", ["ok"])
    out = {**ANN, "name": "Nora", "email": "n@x.example", "opt_in": "false",
           "opt_in_at": "2025-02-01T00:00:00+00:00"}  # fmt: skip
    rested.read("newsletter", {"7": subscriber(out)})
    rested.weigh(EVERYTHING)
    rested.plan("crm")
    ops = rested.ctx.open("sync/crm/plan").frame().collect()
    assert ops.filter(pl.col("record_id") == rested.ctx.record_id("crm", "3"))[
        "kind"
    ].to_list() == ["withdraw"]


def test_a_unique_value_is_held_back_for_one_to_whom_nothing_happened(rested: House) -> None:
    bert = {**ANN, "name": "Bert", "email": "b@x.example"}
    rested.read("address_book", {"9": card(bert)})
    rested.weigh(EVERYTHING)
    rested.plan("crm")
    rested.deliver("crm", ["ok"])
    rested.read("address_book", {"9": card({**bert, "email": ANN["email"]})})
    rested.weigh(EVERYTHING)
    rested.plan("crm")
    ops = rested.ctx.open("sync/crm/plan").frame().collect()
    assert ops.select("kind", "state").rows() == [("update", "held")]
