"""Errors survive Airflow's pickling, and say where, what and what to do."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from concord import errors
from concord.errors import ConcordError, Fault, ProjectFaults, StepFailed, Terminal, Transient

MADE: list[ConcordError] = [
    ProjectFaults((Fault("a.yaml", 3, "is wrong", "mend it"),)),
    errors.NotDeployed("golden/contacts: there is no table"),
    errors.BreakingChange("column x is gone"),
    errors.SchemaDrift("column x differs"),
    errors.ContractBroken("clean/crm", 3, 10, {"country": 2, "name": 1}, 0.2),
    errors.LostRecords("newsletter", 12, 20),
    errors.UnreadableInput("list.csv", "has no header", 1),
    errors.PlatformRefused("crm", "says no", "42501"),
    errors.MissingConnection("there is no connection"),
    errors.RecordKeyChanged("another key"),
    StepFailed("clean.crm", "ValueError", "clean.py:3", transient=True),
    errors.UsageError("no such thing"),
    errors.PlatformDown("crm", "does not answer"),
    errors.Throttled("crm", 3.0),
    errors.CursorExpired("book", "the token is unknown"),
    errors.NotWritten("raw/crm", "ENOSPC"),
    errors.LakeDown("raw/crm"),
    errors.LostRace("raw/crm", 12),
    errors.Overtaken("golden/contacts", "clean/crm"),
    errors.StaleContract("raw/crm", "1.0.0", "1.1.0"),
]


def leaves() -> set[type[ConcordError]]:
    found = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, ConcordError) and not kind.__name__.startswith("_")
    }
    return found - {ConcordError, Terminal, Transient}


def test_every_error_is_tried_here() -> None:
    assert {type(error) for error in MADE} == leaves()


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: ConcordError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.transient) == (type(error), str(error), error.transient)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_is_transient_or_terminal_and_stands_in_the_tree(error: ConcordError) -> None:
    if not isinstance(error, StepFailed):
        assert isinstance(error, Transient) != isinstance(error, Terminal)
        assert error.transient == isinstance(error, Transient)
    assert type(error).__name__ in (errors.__doc__ or "")


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: dict[str, str] = {}
    above = {0: "ConcordError"}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.fullmatch(r"([│ ]*)[├└]── (\w+) +\S.*", line):
            depth = len(match[1]) // 4 + 1
            above[depth] = match[2]
            drawn[match[2]] = above[depth - 1]
    public = leaves() | {Terminal, Transient}
    assert drawn == {kind.__name__: _public_parent(kind) for kind in public}


def _public_parent(kind: type[ConcordError]) -> str:
    """The nearest class above whose name is no secret; a trait comes before the root."""
    above = [one.__name__ for one in kind.__mro__[1:] if issubclass(one, ConcordError)]
    return next(name for name in above if not name.startswith("_"))


def test_every_fault_is_listed_and_counted() -> None:
    faults = (Fault("a.yaml", 3, "is wrong", "mend it"), Fault("b.yaml", 0, "is missing"))
    assert str(ProjectFaults(faults[:1])).startswith("the project has 1 fault; ")
    assert str(ProjectFaults(faults)) == (
        "the project has 2 faults; nothing runs until they are mended:\n"
        "  a.yaml:3: is wrong (mend it)\n"
        "  b.yaml: is missing"
    )


def test_a_listing_that_lost_records_says_how_to_be_believed() -> None:
    assert str(errors.LostRecords("newsletter", 12, 20)).endswith(
        "run again with --accept-deletes."
    )


def test_a_foreign_exception_is_named_without_its_text() -> None:
    told = str(StepFailed("clean.crm", "ValueError", "clean.py:3"))
    assert told.startswith("clean.crm: ValueError at clean.py:3; its text is withheld")


def test_a_broken_contract_names_its_worst_rules_and_what_stays() -> None:
    told = str(errors.ContractBroken("clean/crm", 3, 10, {"country": 2, "name": 1}, 0.2))
    assert "clean/crm: 3 of 10 rows break the contract: country (2), name (1)" in told
    assert "last good snapshot stays" in told
