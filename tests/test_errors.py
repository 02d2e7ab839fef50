"""Errors survive Airflow's pickling, and say where, what and what to do."""

from __future__ import annotations

import inspect
import pickle

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
    errors.LostRace("raw/crm", 12),
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


def test_a_broken_contract_names_its_worst_rules_and_what_stays() -> None:
    told = str(errors.ContractBroken("clean/crm", 3, 10, {"country": 2, "name": 1}, 0.2))
    assert "clean/crm: 3 of 10 rows break the contract: country (2), name (1)" in told
    assert "last good snapshot stays" in told
