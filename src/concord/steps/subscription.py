"""What a downstream team's function is handed beside its rows, and how its answer is judged."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from concord.assets.changes import CHANGE
from concord.assets.snapshot import Change
from concord.assets.table import Table
from concord.contracts.document import Contract
from concord.contracts.gate import gate
from concord.errors import (
    ConcordError,
    ContractBroken,
    SchemaDrift,
    StepFailed,
    Throttled,
    UsageError,
)
from concord.steps.withheld import all_words_withheld

__all__ = ["Delivery", "RowsRefused", "Subscription", "TeamFunction", "call", "judged"]


class RowsRefused(ContractBroken):
    """Rows of a team break the team's own contract: none of them is published."""

    def __str__(self) -> str:
        worst = sorted(self.by_rule.items(), key=lambda item: (-item[1], item[0]))[:3]
        rules = ", ".join(f"{rule} ({rows})" for rule, rows in worst)
        return (
            f"{self.dataset}: {self.rejected} of {self.checked} rows of the subscriber break its "
            f"own contract: {rules}. Nothing was published and the same rows come again; mend the "
            "function or the contract."
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """One handing over of changed rows.

    Attributes:
        delivery_id: the same for every try of this delivery; a receiver that remembers it takes
            nothing twice.
        after: version of the dataset that the team had seen; -1 for none.
        upto: version that it has seen once the delivery succeeds.
    """

    team: str
    dataset: str
    delivery_id: str
    after: int
    upto: int


class Subscription:
    """A team's side of one delivery.

    Attributes:
        delivery: what is handed over.
        publishes: the dataset that the team keeps; None when its effect is elsewhere.
    """

    __slots__ = ("_answer", "delivery", "publishes")

    def __init__(self, delivery: Delivery, publishes: str | None) -> None:
        self.delivery = delivery
        self.publishes = publishes
        self._answer: pl.DataFrame | None = None

    @property
    def team(self) -> str:
        """Whose subscription it is."""
        return self.delivery.team

    @property
    def delivery_id(self) -> str:
        """The same for every try of this delivery."""
        return self.delivery.delivery_id

    @property
    def answer(self) -> pl.DataFrame | None:
        """What the function published; None so far."""
        return self._answer

    def publish(self, frame: pl.DataFrame) -> None:
        """Publish *frame* to the team's own dataset, in one commit with the team's cursor.

        The commit is made when the function has returned: a function that fails afterwards has
        published nothing, and gets the same rows again.

        Args:
            frame: the columns of the team's contract. With a column ``_change``, its rows that say
                ``delete`` are taken out by their key; all others are written. Further columns that
                begin with ``_`` are left out.

        Raises:
            UsageError: the subscription declares no ``publishes``; a second call; no frame.
        """
        name = f"subscription {self.team}"
        if self.publishes is None:
            raise UsageError(
                f"{name}: it keeps no dataset; declare `publishes` in "
                f"contracts/subscriptions/{self.team}.yaml, with a contract for it"
            )
        if self._answer is not None:
            raise UsageError(f"{name}: publish() was called twice; publish one frame a delivery")
        if not isinstance(frame, pl.DataFrame):
            raise UsageError(
                f"{name}: publish() takes a polars.DataFrame; collect a lazy one first"
            )
        self._answer = frame


TeamFunction = Callable[[pl.DataFrame, Subscription], object]

_MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    TypeError,
)


def call(function: TeamFunction, rows: pl.DataFrame, subscription: Subscription) -> None:
    """Call the team's function; what it returns, prints, warns and logs is kept nowhere.

    Raises:
        StepFailed: it raised; the text is withheld. An error of `concord.errors` says itself
            whether it may pass; an ordinary programming mistake is terminal, anything else is tried
            again.
        Throttled: it raised that, to be called again after so many seconds.
        UsageError: it asked the subscription for what that cannot do.
    """
    failure: ConcordError | None = None
    try:
        with all_words_withheld():
            function(rows, subscription)
    except KeyboardInterrupt:
        raise KeyboardInterrupt from None
    except BaseException as error:
        failure = _translated(error, function, subscription.team)
    if failure is not None:
        raise failure


def _translated(error: BaseException, function: TeamFunction, team: str) -> ConcordError:
    if isinstance(error, UsageError) and _raised_here(error):
        return UsageError(error.sentence)
    if isinstance(error, Throttled):
        return Throttled(f"subscription {team}", float(error.retry_after_s))
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    code = getattr(function, "__code__", None)
    line, trace = getattr(code, "co_firstlineno", 0), error.__traceback__
    while trace is not None:
        if code is not None and trace.tb_frame.f_code.co_filename == code.co_filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    file = code.co_filename.replace("\\", "/").rsplit("/", 1)[-1] if code is not None else "?"
    return StepFailed(
        f"publish.{team}",
        f"{module}{kind.__qualname__}",
        f"{file}:{line}",
        transient=_may_pass(error),
    )


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, ConcordError):
        return error.transient
    return not isinstance(error, _MISTAKES)


def _raised_here(error: BaseException) -> bool:
    *_, (last, _line) = traceback.walk_tb(error.__traceback__)
    return last.f_code.co_filename == __file__


def judged(table: Table, frame: pl.DataFrame, contract: Contract) -> Change:
    """The change that *frame* is to the team's table, if all its rows keep the contract.

    Raises:
        RowsRefused: some row does not.
        SchemaDrift: its columns are not the contract's.
    """
    upserts, deletes = _sides(frame, contract)
    verdict = gate(upserts, contract, elsewhere=_elsewhere(table, upserts, deletes, contract))
    report = verdict.report
    if report.rejected:
        raise RowsRefused(
            contract.dataset,
            report.rejected,
            report.checked,
            report.by_rule,
            contract.max_quarantine_ratio,
        )
    return Change(verdict.accepted, deletes, rules=report.counts)


def _sides(frame: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, pl.Series]:
    key, name = contract.key, contract.dataset
    if key not in frame.columns:
        raise SchemaDrift(f"{name}: the subscriber's frame lacks the key {key}")
    change = (
        frame[CHANGE] if CHANGE in frame.columns else pl.repeat("upsert", frame.height, eager=True)
    )
    known = change.is_in(["upsert", "delete"]).fill_null(False)
    if not known.all():
        raise SchemaDrift(
            f"{name}: {int((~known).sum())} rows of the subscriber's frame say neither upsert nor "
            f"delete in {CHANGE}"
        )
    rows = frame.select(pl.exclude("^_.*$"))
    return rows.filter(change == "upsert"), rows.filter(change == "delete")[key]


def _elsewhere(
    table: Table, upserts: pl.DataFrame, deletes: pl.Series, contract: Contract
) -> dict[str, pl.Series]:
    """Values of unique columns in the rows that stay as they are."""
    unique = [one.name for one in contract.columns if one.unique and one.name != contract.key]
    if not unique or contract.key not in upserts.columns:
        return {}
    moved = pl.concat([upserts[contract.key], deletes]).to_frame()
    rows = table.frame(columns=[contract.key, *unique]).collect()
    rest = rows.join(moved, on=contract.key, how="anti")
    return {name: rest[name] for name in unique}
