"""Publish: hand a downstream team the rows that changed since its function last succeeded.

A team that keeps a dataset is served exactly once: its rows and its cursor are one commit. A team
whose effect is elsewhere is served at least once: what it is about to get is written down first,
so that a repeated try hands over the same rows under the same delivery id, and its cursor moves
after the function returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from concord.assets.changes import changes, images
from concord.assets.commit import Position
from concord.assets.snapshot import Change, Published
from concord.assets.snapshot import publish as commit
from concord.assets.subscription import SubscriptionDeclaration
from concord.assets.table import Table
from concord.contracts.document import Contract
from concord.errors import BreakingChange, LostRace, UsageError
from concord.steps.context import Context, Result
from concord.steps.entitlement import Entitlement, changed_view, entitlement_of, whole_view
from concord.steps.positions import RULES
from concord.steps.subscription import Delivery, Subscription, TeamFunction, call, judged

__all__ = ["publish", "subscriber_behind", "subscriber_cursor"]

_LEDGER = "ops/subscriptions"
_TERMS = "subscription"


def publish(
    ctx: Context, *, team: str, function: TeamFunction, full_refresh: bool = False
) -> Result:
    """Call the team's function with what changed for it; not at all when nothing did.

    Args:
        team: name of its file in contracts/subscriptions.
        function: takes the rows and a `Subscription`.
        full_refresh: hand over everything, whatever the cursor says.

    Raises:
        BreakingChange: the dataset's contract is outside the team's pin.
        RowsRefused: the team's rows break its own contract.
        StepFailed: the function raised.
    """
    served = _Served.open(ctx, team)
    if served.target < 0:
        return Result("publish", None, notes=(f"{team}: {served.terms.dataset} is still empty",))
    if served.declared.publishes is None:
        return _outside(served, function, full_refresh=full_refresh)
    return _inside(served, function, full_refresh=full_refresh)


def subscriber_behind(ctx: Context, team: str) -> bool:
    """Whether the team has not seen the newest snapshot, or has seen it under other terms."""
    served = _Served.open(ctx, team)
    return served.target >= 0 and served.lags(served.cursors())


def subscriber_cursor(ctx: Context, team: str) -> int:
    """Version of its dataset that the team has seen; -1 for none."""
    served = _Served.open(ctx, team)
    return served.cursors()[served.terms.dataset]


@dataclass(frozen=True, slots=True)
class _Served:
    """A team, what it is entitled to, and the table that keeps its cursors.

    Attributes:
        keeper: the dataset that the team publishes; else ops/subscriptions, where its cursors carry
            its name.
        upto: how far the cursors go now.
    """

    ctx: Context
    team: str
    declared: SubscriptionDeclaration
    source: Table
    terms: Entitlement
    keeper: Table
    upto: Mapping[str, Position]

    @classmethod
    def open(cls, ctx: Context, team: str) -> _Served:
        if team not in ctx.project.subscriptions:
            raise UsageError(f"there is no contracts/subscriptions/{team}.yaml")
        declared = ctx.project.subscriptions[team]
        contract = ctx.project.contract(declared.dataset)
        assert contract is not None
        terms = entitlement_of(declared, contract, ctx.project.processing)
        source = ctx.open(declared.dataset)
        here = source.position()
        if declared.publishes is None:
            mine = Position(here.version, f"{here.table_id}/{team}")
            upto = {declared.dataset: mine, f"{_TERMS}:{team}": Position(terms.fingerprint())}
            keeper = ctx.open(_LEDGER)
        else:
            own = ctx.project.contract(declared.publishes)
            assert own is not None
            upto = {
                declared.dataset: here,
                _TERMS: Position(terms.fingerprint()),
                RULES: Position(own.fingerprint()),
            }
            keeper = ctx.open(declared.publishes)
        return cls(ctx, team, declared, source, terms, keeper, upto)

    @property
    def target(self) -> int:
        return self.upto[self.terms.dataset].version

    def cursors(self) -> dict[str, int]:
        return self.cursors_in(self.keeper)

    def cursors_in(self, table: Table) -> dict[str, int]:
        return {name: table.cursor(name, at.table_id) for name, at in self.upto.items()}

    def lags(self, cursors: Mapping[str, int]) -> bool:
        return any(at.is_ahead_of(cursors[name]) for name, at in self.upto.items())

    def other_terms(self, cursors: Mapping[str, int]) -> bool:
        """Whether other columns, rows or rules were meant when the cursors last moved."""
        return any(
            at.table_id is None and at.is_ahead_of(cursors[name]) for name, at in self.upto.items()
        )

    def delivery(self, after: int, upto: int, *, whole: str) -> Delivery:
        """The delivery of a range; *whole* is empty, or says why everything is handed over."""
        identity = (
            str(self.source.id),
            str(after),
            str(upto),
            str(self.terms.fingerprint()),
            whole,
        )
        named = self.ctx.hash("delivery", self.team, *identity)
        return Delivery(self.team, self.terms.dataset, named, after, upto)

    def rows(self, delivery: Delivery, *, whole: bool) -> pl.DataFrame:
        """What the delivery hands over."""
        _refuse_outside_pin(self.team, self.declared, self.source, delivery.upto)
        needed, key = list(self.terms.needed), self.terms.key
        after, upto = delivery.after, delivery.upto
        if whole or after < 0:
            everything = self.source.frame(upto, columns=needed).collect()
            earlier = None if after < 0 else images(self.source, after, columns=[key])
            known = None if after < 0 else _keys(earlier, everything, key)
            return whole_view(everything, known, self.terms)
        moved = changes(self.source, after, upto, columns=needed)
        before = images(self.source, after, keys=moved[key], columns=needed)
        return changed_view(moved, before, self.terms)


def _inside(served: _Served, function: TeamFunction, *, full_refresh: bool) -> Result:
    ctx, found = served.ctx, served.cursors()
    contract = ctx.project.contract(served.keeper.dataset.name)
    assert contract is not None
    if not (full_refresh or served.lags(found)):
        settled = commit(served.keeper, _nothing, upto=served.upto, run=ctx.run)
        return Result("publish", None, (settled,))
    whole = _reason(served, found, full_refresh=full_refresh)
    delivery = served.delivery(found[served.terms.dataset], served.target, whole=whole)
    rows = served.rows(delivery, whole=bool(whole))
    subscription = Subscription(delivery, served.declared.publishes)
    if rows.height:
        call(function, rows, subscription)
    published = _committed(served, found, subscription.answer, contract)
    return _result(published, rows.height)


def _committed(
    served: _Served, found: Mapping[str, int], answer: pl.DataFrame | None, contract: Contract
) -> Published:
    """Rows and cursor in one commit, if the cursor still is where the rows were read from."""

    def work(table: Table, _cursors: Mapping[str, int]) -> Change:
        if served.cursors_in(table) != found:
            raise LostRace(table.dataset.name, 1)
        return Change() if answer is None else judged(table, answer, contract)

    upto = served.upto if served.lags(found) else {}
    return commit(served.keeper, work, upto=upto, run=served.ctx.run)


def _outside(served: _Served, function: TeamFunction, *, full_refresh: bool) -> Result:
    """First what was announced and did not succeed, then all that came after it."""
    published: Published | None = None
    handed = 0
    while full_refresh or served.lags(served.cursors()):
        found = served.cursors()
        whole = _reason(served, found, full_refresh=full_refresh)
        delivery = _announced(served, found, whole) or served.delivery(
            found[served.terms.dataset], served.target, whole=whole
        )
        rows = served.rows(delivery, whole=bool(whole))
        if rows.height:
            _announce(served, delivery)
            call(function, rows, Subscription(delivery, None))
        published = _done(served, delivery)
        handed += rows.height
        full_refresh = False
    return _result(published, handed)


def _announced(served: _Served, found: Mapping[str, int], whole: str) -> Delivery | None:
    """The delivery that was written down and did not succeed, if its terms are still the same."""
    rows = served.keeper.frame().filter(pl.col("team") == served.team).collect()
    if not rows.height:
        return None
    after, upto = found[served.terms.dataset], int(rows["version"][0])
    delivery = served.delivery(after, upto, whole=whole)
    open_still = after < upto <= served.target and delivery.delivery_id == rows["delivery_id"][0]
    return delivery if open_still else None


def _announce(served: _Served, delivery: Delivery) -> None:
    row = pl.DataFrame(
        {
            "team": [delivery.team],
            "version": [delivery.upto],
            "delivery_id": [delivery.delivery_id],
            "at": [served.ctx.now()],
        },
        schema={
            name: served.keeper.schema[name] for name in ("team", "version", "delivery_id", "at")
        },
    )

    def work(table: Table, _cursors: Mapping[str, int]) -> Change:
        known = table.frame().filter(pl.col("team") == delivery.team).collect()
        said = known.height and known["delivery_id"][0] == delivery.delivery_id
        return Change() if said else Change(upserts=row)

    commit(served.keeper, work, upto={}, run=served.ctx.run)


def _done(served: _Served, delivery: Delivery) -> Published:
    upto = dict(served.upto)
    upto[delivery.dataset] = Position(delivery.upto, upto[delivery.dataset].table_id)
    return commit(served.keeper, _nothing, upto=upto, run=served.ctx.run)


def _nothing(_table: Table, _cursors: Mapping[str, int]) -> Change:
    return Change()


def _reason(served: _Served, found: Mapping[str, int], *, full_refresh: bool) -> str:
    """Why everything is handed over; empty when only what changed is."""
    if full_refresh:
        return served.ctx.run.id
    return "terms" if served.other_terms(found) else ""


def _result(published: Published | None, handed: int) -> Result:
    made = (published,) if published is not None else ()
    return Result("publish", None, made, rows_in=handed, facts={"delivered": handed})


def _refuse_outside_pin(
    team: str, declared: SubscriptionDeclaration, source: Table, version: int
) -> None:
    record = source.record(version) or source.newest_record()
    contract = (record.contract if record else None) or source.dataset.contract
    if contract is None:
        return
    if not SpecifierSet(declared.version).contains(Version(contract.version), prereleases=True):
        raise BreakingChange(
            f"{declared.dataset}: version {version} is published under contract "
            f"{contract.version}, and {team} is pinned to {declared.version}; nothing was "
            f"delivered. Look at what the contract changed, then move the pin in "
            f"contracts/subscriptions/{team}.yaml"
        )


def _keys(earlier: pl.DataFrame | None, now: pl.DataFrame, key: str) -> pl.Series:
    return now[key].clear() if earlier is None else earlier[key]
