"""Subscriptions on real tables: a golden table made by hand, and teams' functions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.assets.commit import RunId
from concord.assets.dataset import ContractRef
from concord.assets.evolution import create_table
from concord.assets.snapshot import Change, Published
from concord.assets.snapshot import publish as commit
from concord.assets.table import Lake, Table
from concord.errors import (
    BreakingChange,
    ConcordError,
    ContractBroken,
    LostRace,
    PlatformDown,
    SchemaDrift,
    StepFailed,
    Throttled,
    UsageError,
)
from concord.project import Project, load
from concord.steps.context import Context
from concord.steps.cursors import behind
from concord.steps.publish import publish, subscriber_behind
from concord.steps.registry import run_step
from concord.steps.subscription import Subscription
from concord.steps.tables import frame_schema

REFERENCE = Path(__file__).parents[2]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOLDEN = "golden/contacts"
CLUB = """
dataset: golden/contacts
version: ~=1.0
columns: [full_name, emails]
purpose: marketing
owner: club@example.org
publishes: club/members
"""
LETTERS = """
dataset: golden/contacts
version: ~=1.0
columns: [full_name]
purpose: marketing
owner: letters@example.org
"""

Function = Callable[[pl.DataFrame, Subscription], None]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The reference project, and two teams more: one that keeps a dataset, one that does not."""
    root = tmp_path_factory.mktemp("subscribers")
    for name in ("contracts", "assets", "lineage"):
        shutil.copytree(REFERENCE / name, root / name)
    shutil.copy(REFERENCE / "concord.yaml", root)
    contracts = root / "contracts"
    billing = (contracts / "billing.odcs.yaml").read_text()
    club = billing.replace("billing/customers", "club/members").replace("billing", "club")
    (contracts / "club.odcs.yaml").write_text(club)
    (contracts / "subscriptions" / "club.yaml").write_text(CLUB)
    (contracts / "subscriptions" / "letters.yaml").write_text(LETTERS)
    processing = root / "lineage" / "processing.yaml"
    told = "['platform:newsletter', 'subscription:club', 'subscription:letters']"
    said = processing.read_text()
    assert "['platform:newsletter']" in said
    processing.write_text(said.replace("['platform:newsletter']", told))
    return load(root)


@dataclass
class World:
    """A small lake, and the golden table as it should be seen."""

    project: Project
    lake: Lake
    golden: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: int = 0

    def context(self, team: str, *, run: str | None = None) -> Context:
        self.runs += 1
        return Context(
            project=self.project,
            run=RunId(run or f"run {self.runs}", f"publish.{team}"),
            lake=self.lake,
            record_key=b"key",
            connect=lambda name: pytest.fail(name),
            now=lambda: NOW,
            tell=lambda _: None,
        )

    def open(self, dataset: str) -> Table:
        return self.lake.open(self.project.datasets[dataset])

    def put(
        self,
        persons: Mapping[str, Mapping[str, Any] | None],
        *,
        contract: ContractRef | None = None,
    ) -> Published:
        """A snapshot of golden: persons written, or taken out for None."""
        for person, row in persons.items():
            if row is None:
                self.golden.pop(person, None)
            else:
                self.golden[person] = dict(row)
        schema = {n: t for n, t in frame_schema(self.project, GOLDEN).items() if n != "_row_hash"}
        rows = [{"person_id": p, **row} for p, row in persons.items() if row is not None]
        frame = pl.DataFrame(rows, schema=schema)
        gone = pl.Series([p for p, row in persons.items() if row is None], dtype=pl.String)
        self.runs += 1
        return commit(
            self.open(GOLDEN),
            lambda _table, _cursors: Change(frame, gone, contract=contract),
            upto={},
            run=RunId(f"golden {self.runs}", "survivorship"),
        )

    def serve(self, team: str, function: Function, **options: Any) -> Any:
        run = options.pop("run", None)
        return publish(self.context(team, run=run), team=team, function=function, **options)

    def kept(self, dataset: str) -> dict[str, Any]:
        return {row["person_id"]: row["full_name"] for row in rows_of(self.open(dataset))}

    def entitled(self, *, consent: bool) -> dict[str, Any]:
        return {
            person: row.get("full_name")
            for person, row in self.golden.items()
            if row.get("deleted_at") is None and (row.get("email_marketing") or not consent)
        }


def rows_of(table: Table) -> list[dict[str, Any]]:
    return table.frame().collect().to_dicts()


@pytest.fixture(scope="module")
def fresh(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], World]:
    top, made = tmp_path_factory.mktemp("a lake ü"), 0

    def make() -> World:
        nonlocal made
        made += 1
        lake = Lake(str(top / str(made)))
        for name in (GOLDEN, "billing/customers", "club/members", "ops/subscriptions", "ops/runs"):
            schema = frame_schema(project, name)
            create_table(lake, project.datasets[name], schema, run=RunId("deploy", "deploy"))
        return World(project, lake)

    return make


@pytest.fixture
def world(fresh: Callable[[], World]) -> World:
    return fresh()


def same(changes: pl.DataFrame, subscription: Subscription) -> None:
    subscription.publish(changes)


class Receiver:
    """A place outside, which remembers every delivery."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, list[dict[str, Any]]]] = []
        self.fails = False

    def __call__(self, changes: pl.DataFrame, subscription: Subscription) -> None:
        self.heard.append((subscription.delivery_id, changes.to_dicts()))
        if self.fails:
            raise ConnectionError("jane.doe@example.org did not answer")

    @property
    def holds(self) -> dict[str, Any]:
        """What a receiver holds that takes every delivery id once."""
        found: dict[str, Any] = {}
        for rows in _once(self.heard):
            for row in rows:
                if row["_change"] == "delete":
                    found.pop(row["person_id"], None)
                else:
                    found[row["person_id"]] = row["full_name"]
        return found


def _once(heard: list[tuple[str, list[dict[str, Any]]]]) -> list[list[dict[str, Any]]]:
    seen: set[str] = set()
    kept = []
    for name, rows in heard:
        if name not in seen:
            seen.add(name)
            kept.append(rows)
    return kept


def mail(value: str) -> list[dict[str, Any]]:
    return [{"value": value, "type": "work", "preferred": True}]


class TestWhatATeamGets:
    def test_a_team_gets_its_declared_columns_and_nothing_else(self, world):
        world.put(
            {"p1": {"full_name": "Ada", "emails": mail("a@example.org"), "job_title": "Countess"}}
        )
        seen: list[pl.DataFrame] = []
        world.serve("billing", lambda changes, _: seen.append(changes))
        assert seen[0].columns == ["person_id", "full_name", "emails", "_change"]
        assert seen[0].to_dicts() == [
            {
                "person_id": "p1",
                "full_name": "Ada",
                "emails": mail("a@example.org"),
                "_change": "upsert",
            }
        ]

    def test_the_key_comes_also_when_it_is_not_declared(self, world):
        world.put({"p1": {"full_name": "Ada", "email_marketing": True}})
        seen: list[pl.DataFrame] = []
        world.serve("letters", lambda changes, _: seen.append(changes))
        assert seen[0].columns == ["person_id", "full_name", "_change"]

    def test_only_changes_since_the_last_success_are_handed_over(self, world):
        world.put({"p1": {"full_name": "Ada"}, "p2": {"full_name": "Bea"}})
        world.serve("billing", same)
        world.put({"p2": {"full_name": "Bella"}})
        world.put({"p2": {"full_name": "Beatrice"}})
        seen: list[pl.DataFrame] = []
        world.serve("billing", lambda changes, _: seen.append(changes))
        assert seen[0].select("person_id", "full_name").rows() == [("p2", "Beatrice")]

    def test_a_change_of_an_undeclared_column_calls_nobody(self, world):
        world.put({"p1": {"full_name": "Ada", "job_title": "Countess"}})
        world.serve("billing", same)
        world.put({"p1": {"full_name": "Ada", "job_title": "Analyst"}})
        result = world.serve("billing", lambda *_: pytest.fail("called"))
        assert (result.moved, result.published[0].outcome) == (False, "heartbeat")
        assert not subscriber_behind(world.context("billing"), "billing")

    def test_nobody_without_consent_reaches_a_purpose_that_rests_on_it(self, world):
        world.put(
            {
                "p1": {"full_name": "Ada", "email_marketing": True},
                "p2": {"full_name": "Bea", "email_marketing": False},
                "p3": {"full_name": "Cleo"},
            }
        )
        world.serve("club", same)
        assert world.kept("club/members") == {"p1": "Ada"}

    @pytest.mark.parametrize(
        "leaves",
        [
            {"deleted_at": NOW},
            {"full_name": "Ada", "email_marketing": False},
            {"full_name": "Ada"},
            None,
        ],
        ids=["tombstone", "withdrawn", "unknown again", "gone"],
    )
    def test_a_row_that_leaves_arrives_as_its_key_alone(self, world, leaves):
        world.put(
            {"p1": {"full_name": "Ada", "emails": mail("a@example.org"), "email_marketing": True}}
        )
        world.serve("club", same)
        world.put({"p1": leaves})
        seen: list[pl.DataFrame] = []
        world.serve("club", lambda changes, _: seen.append(changes))
        assert seen[0].to_dicts() == [
            {"person_id": "p1", "full_name": None, "emails": None, "_change": "delete"}
        ]

    def test_who_was_never_shown_is_never_named(self, world):
        world.put({"p1": {"full_name": "Ada"}, "p2": {"full_name": "Bea", "email_marketing": True}})
        world.serve("club", same)
        world.put({"p1": {"deleted_at": NOW}})
        world.serve("club", lambda *_: pytest.fail("called"))

    def test_nothing_is_handed_over_before_the_first_snapshot(self, world):
        result = world.serve("billing", lambda *_: pytest.fail("called"))
        assert result.published == ()
        assert not subscriber_behind(world.context("billing"), "billing")

    def test_other_declared_columns_mean_that_everything_comes_again(self, world):
        world.put({"p1": {"full_name": "Ada", "job_title": "Countess"}, "p2": {"full_name": "Bea"}})
        world.serve("billing", same)
        world.put({"p2": None})
        declared = world.project.subscriptions["billing"]
        more = declared.model_copy(update={"columns": ("person_id", "full_name", "job_title")})
        subscriptions = {**world.project.subscriptions, "billing": more}
        world.project = replace(world.project, subscriptions=subscriptions)
        seen: list[pl.DataFrame] = []
        world.serve("billing", lambda changes, _: seen.append(changes))
        found = seen[0].select("person_id", "job_title", "_change").rows()
        assert found == [("p1", "Countess", "upsert"), ("p2", None, "delete")]

    def test_a_full_refresh_hands_over_everything_though_nothing_is_new(self, world):
        world.put({"p1": {"full_name": "Ada"}})
        world.serve("billing", same)
        seen: list[pl.DataFrame] = []
        result = world.serve(
            "billing", lambda c, s: (seen.append(c), s.publish(c)), full_refresh=True
        )
        assert seen[0]["person_id"].to_list() == ["p1"]
        assert result.facts == {"delivered": 1}


class TestThePin:
    def test_a_snapshot_outside_the_pin_is_refused(self, world):
        world.put({"p1": {"full_name": "Ada"}}, contract=ContractRef("golden", "2.0.0", "0" * 64))
        with pytest.raises(
            BreakingChange, match=r"contract 2\.0\.0, and billing is pinned to ~=1\.0"
        ):
            world.serve("billing", same)
        assert world.kept("billing/customers") == {}
        assert subscriber_behind(world.context("billing"), "billing")

    def test_a_later_minor_version_is_inside_it(self, world):
        world.put({"p1": {"full_name": "Ada"}}, contract=ContractRef("golden", "1.7.2", "0" * 64))
        world.serve("billing", same)
        assert world.kept("billing/customers") == {"p1": "Ada"}


class TestATeamThatKeepsADataset:
    def test_rows_and_cursor_are_one_commit(self, world):
        snapshot = world.put({"p1": {"full_name": "Ada"}})
        before = world.open("billing/customers").version
        result = world.serve("billing", same)
        table = world.open("billing/customers")
        assert table.version == before + 1
        assert table.cursor(GOLDEN, world.open(GOLDEN).id) == snapshot.version
        assert result.published[0].record.inputs[0].upto == snapshot.version
        assert world.open("ops/subscriptions").version == 0

    def test_a_second_try_after_a_commit_that_landed_calls_nobody_and_still_has_news(self, world):
        world.put({"p1": {"full_name": "Ada"}})
        world.serve("billing", same, run="r")
        result = world.serve("billing", lambda *_: pytest.fail("called"), run="r")
        assert result.moved
        assert not world.serve("billing", same, run="another").moved

    def test_rows_that_break_the_teams_own_contract_leave_everything_as_it_was(self, world):
        world.put({"p1": {"full_name": "Ada"}})
        world.serve("billing", same)
        before = world.open("billing/customers").version
        world.put({"p1": {"full_name": "Augusta"}, "p2": {"full_name": "Bea"}})

        def broken(changes: pl.DataFrame, subscription: Subscription) -> None:
            subscription.publish(changes.with_columns(full_name=pl.lit("x" * 201)))

        with pytest.raises(ContractBroken, match=r"2 of 2 rows .* full_name\.max_length \(2\)"):
            world.serve("billing", broken)
        assert world.open("billing/customers").version == before
        assert subscriber_behind(world.context("billing"), "billing")
        world.serve("billing", same)
        assert world.kept("billing/customers") == {"p1": "Augusta", "p2": "Bea"}

    def test_a_function_that_fails_after_publishing_has_published_nothing(self, world):
        world.put({"p1": {"full_name": "Ada"}})

        def late(changes: pl.DataFrame, subscription: Subscription) -> None:
            subscription.publish(changes)
            raise OSError("Ada")

        with pytest.raises(StepFailed, match=r"publish\.billing: OSError at test_publish\.py:\d+"):
            world.serve("billing", late)
        assert world.kept("billing/customers") == {}

    def test_the_other_of_two_racing_tries_publishes_nothing(self, world):
        world.put({"p1": {"full_name": "Ada"}})

        def overtaken(changes: pl.DataFrame, subscription: Subscription) -> None:
            world.serve("billing", same)
            world.put({"p1": {"full_name": "Augusta"}})
            world.serve("billing", same)
            subscription.publish(changes)

        world.serve("billing", overtaken)
        assert world.kept("billing/customers") == {"p1": "Augusta"}

    def test_a_full_refresh_never_puts_back_what_a_newer_delivery_brought(self, world):
        world.put({"p1": {"full_name": "Ada"}})
        world.serve("billing", same)

        def overtaken(changes: pl.DataFrame, subscription: Subscription) -> None:
            world.put({"p1": {"full_name": "Augusta"}})
            world.serve("billing", same)
            subscription.publish(changes)

        with pytest.raises(LostRace, match="billing/customers"):
            world.serve("billing", overtaken, full_refresh=True)
        assert world.kept("billing/customers") == {"p1": "Augusta"}

    def test_a_function_that_publishes_nothing_has_still_seen_its_rows(self, world):
        world.put({"p1": {"full_name": "Ada"}})
        world.serve("billing", lambda *_: None)
        assert world.kept("billing/customers") == {}
        assert not subscriber_behind(world.context("billing"), "billing")

    @pytest.mark.parametrize(
        ("frame", "error", "says"),
        [
            (lambda c: c.drop("emails"), SchemaDrift, "it lacks: emails"),
            (lambda c: c.drop("person_id"), SchemaDrift, "lacks the key person_id"),
            (lambda c: c.with_columns(vip=True), SchemaDrift, "not in the contract: vip"),
            (lambda c: c.with_columns(_change=pl.lit("new")), SchemaDrift, "1 rows .* neither"),
            (lambda c: c.lazy(), UsageError, "takes a polars.DataFrame"),
            (lambda c: pl.concat([c, c]), ContractBroken, r"person_id\.unique \(2\)"),
        ],
        ids=["column missing", "no key", "column too many", "change", "lazy", "key twice"],
    )
    def test_a_frame_that_does_not_fit_is_refused(self, world, frame, error, says):
        world.put({"p1": {"full_name": "Ada"}})
        with pytest.raises(error, match=says):
            world.serve("billing", lambda c, s: s.publish(frame(c)))
        assert world.kept("billing/customers") == {}

    def test_a_frame_without_a_change_column_is_written_whole(self, world):
        world.put({"p1": {"full_name": "Ada"}})
        world.serve("billing", lambda c, s: s.publish(c.drop("_change")))
        assert world.kept("billing/customers") == {"p1": "Ada"}

    def test_publishing_twice_in_one_delivery_is_refused(self, world):
        world.put({"p1": {"full_name": "Ada"}})
        with pytest.raises(UsageError, match="called twice"):
            world.serve("billing", lambda c, s: (s.publish(c), s.publish(c)))


class TestATeamWhoseEffectIsElsewhere:
    def test_a_repeated_try_hands_over_the_same_rows_under_the_same_id(self, world):
        receiver = Receiver()
        world.put({"p1": {"full_name": "Ada", "email_marketing": True}})
        receiver.fails = True
        with pytest.raises(StepFailed, match="ConnectionError"):
            world.serve("letters", receiver)
        world.put({"p1": {"full_name": "Augusta", "email_marketing": True}})
        receiver.fails = False
        world.serve("letters", receiver)
        (first, rows), (second, again), (third, news) = receiver.heard
        assert (first, rows) == (second, again)
        assert third != first
        assert [row["full_name"] for row in (*rows, *news)] == ["Ada", "Augusta"]

    def test_after_a_success_nothing_is_handed_over_again(self, world):
        receiver = Receiver()
        world.put({"p1": {"full_name": "Ada", "email_marketing": True}})
        assert world.serve("letters", receiver).facts == {"delivered": 1}
        assert world.serve("letters", receiver).facts == {"delivered": 0}
        assert len(receiver.heard) == 1

    def test_teams_do_not_share_a_cursor(self, world):
        subscriptions = world.project.subscriptions
        world.project = replace(
            world.project, subscriptions={**subscriptions, "posters": subscriptions["letters"]}
        )
        world.put({"p1": {"full_name": "Ada", "email_marketing": True}})
        letters, posters = Receiver(), Receiver()
        world.serve("letters", lambda *_: None)
        world.serve("posters", lambda *_: None)
        world.put({"p1": {"full_name": "Augusta", "email_marketing": True}})
        world.serve("letters", letters)
        assert subscriber_behind(world.context("posters"), "posters")
        world.serve("posters", posters)
        assert posters.heard[0][1] == letters.heard[0][1]
        assert posters.heard[0][0] != letters.heard[0][0]

    def test_it_cannot_publish(self, world):
        world.put({"p1": {"full_name": "Ada", "email_marketing": True}})
        with pytest.raises(UsageError, match="declare `publishes`"):
            world.serve("letters", same)


class TestErrorsOfTheFunction:
    @pytest.mark.parametrize(
        ("error", "transient"),
        [(KeyError("p1"), False), (TypeError("p1"), False), (TimeoutError("p1"), True)],
    )
    def test_a_mistake_is_final_and_anything_else_may_pass(self, world, error, transient):
        def fails(_changes: pl.DataFrame, _subscription: Subscription) -> None:
            raise error

        world.put({"p1": {"full_name": "Ada"}})
        with pytest.raises(StepFailed, match="its text is withheld") as caught:
            world.serve("billing", fails)
        assert caught.value.transient is transient
        assert "p1" not in str(caught.value)
        assert caught.value.__context__ is None

    def test_an_error_of_ours_says_whether_it_may_pass_and_not_what_it_says(self, world):
        def fails(_changes: pl.DataFrame, _subscription: Subscription) -> None:
            raise PlatformDown("billing", "Ada is not here")

        world.put({"p1": {"full_name": "Ada"}})
        with pytest.raises(StepFailed, match=r"PlatformDown at .*its text is withheld") as caught:
            world.serve("billing", fails)
        assert caught.value.transient
        assert "Ada" not in str(caught.value)

    def test_it_may_ask_to_be_called_again_later(self, world):
        def fails(_changes: pl.DataFrame, _subscription: Subscription) -> None:
            raise Throttled("Ada", 7)

        world.put({"p1": {"full_name": "Ada"}})
        with pytest.raises(Throttled, match="subscription billing: asked us to wait 7 s"):
            world.serve("billing", fails)


def test_the_sweep_sees_a_team_that_is_behind(world, monkeypatch):
    world.project = replace(
        world.project, jobs=tuple(job for job in world.project.jobs if job.step == "publish")
    )
    assert list(behind(world.context("billing"))) == []
    world.put({"p1": {"full_name": "Ada"}})
    assert list(behind(world.context("billing"))) == [
        "publish.billing",
        "publish.club",
        "publish.letters",
    ]
    world.serve("billing", same)
    assert list(behind(world.context("billing"))) == ["publish.club", "publish.letters"]


def test_the_step_leaves_its_line_in_ops_runs(world):
    world.put({"p1": {"full_name": "Ada"}})
    run_step("publish", world.context("billing"), team="billing", function=same)
    (line,) = rows_of(world.open("ops/runs"))
    assert (line["step"], line["dataset"], line["upserted"]) == ("publish", "billing/customers", 1)


names = st.sampled_from(["Ada", "Bea", "Cleo"])
person = st.one_of(
    st.none(),
    st.just({"deleted_at": NOW}),
    st.fixed_dictionaries(
        {
            "full_name": names,
            "job_title": names,
            "email_marketing": st.sampled_from([True, True, False, None]),
        }
    ),
)
snapshot = st.dictionaries(st.sampled_from(["p1", "p2", "p3"]), person, min_size=1)
attempt = st.sampled_from(["ok", "fails", "fails late", "breaks its contract"])
history = st.lists(st.one_of(snapshot, attempt), max_size=8)


def play(world: World, steps: list[Any], team: str, function: Callable[[str], Function]) -> None:
    """Snapshots and tries in the given order, and one last try that succeeds."""
    for step in [*steps, "ok"]:
        if isinstance(step, dict):
            world.put(step)
            continue
        try:
            world.serve(team, function(step))
        except ConcordError:
            assert step != "ok"


@pytest.mark.parametrize("team", ["billing", "club"])
@given(steps=history)
def test_whatever_happens_the_table_is_what_the_team_may_see_of_golden(fresh, team, steps):
    world = fresh()
    dataset = world.project.subscriptions[team].publishes

    def function(how: str) -> Function:
        def publishes(changes: pl.DataFrame, subscription: Subscription) -> None:
            if how == "fails":
                raise ValueError("Ada")
            if how == "breaks its contract":
                changes = changes.with_columns(full_name=pl.lit("x" * 201))
            subscription.publish(changes)
            if how == "fails late":
                raise OSError("Ada")

        return publishes

    before = world.kept(dataset)
    for step in steps:
        if isinstance(step, dict):
            world.put(step)
            continue
        try:
            world.serve(team, function(step))
        except ConcordError:
            assert world.kept(dataset) == before
        else:
            before = world.kept(dataset)
    world.serve(team, function("ok"))
    assert world.kept(dataset) == world.entitled(consent=team == "club")


@given(steps=history)
def test_whatever_happens_a_receiver_that_knows_its_ids_holds_the_same(fresh, steps):
    world, receiver = fresh(), Receiver()

    def function(how: str) -> Function:
        def sends(changes: pl.DataFrame, subscription: Subscription) -> None:
            if how == "fails":
                raise ValueError("Ada")
            receiver.fails = how != "ok"
            receiver(changes, subscription)

        return sends

    play(world, steps, "letters", function)
    assert receiver.holds == world.entitled(consent=True)
    by_id: dict[str, Any] = {}
    for name, rows in receiver.heard:
        assert by_id.setdefault(name, rows) == rows
