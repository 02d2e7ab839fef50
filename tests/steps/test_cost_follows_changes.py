"""Steps look at those to whom something happened, and that gives what looking at all would."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from house import PLATFORMS, SHAPES, House, card, crm, subscriber
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.steps import planning
from concord.steps.approve import approve
from concord.steps.context import Context
from concord.steps.plan_scope import concerned
from concord.steps.survivorship import survivorship

PLANNED = ("crm", "newsletter")
NAMES = ("Anna", "Bert", "Petra")
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


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
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
