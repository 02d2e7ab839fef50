"""Faults of a project's files: what pydantic found, and what contradicts another file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from concord.assets.subscription import SubscriptionDeclaration
from concord.contracts.document import Contract
from concord.contracts.sql import sql_faults
from concord.errors import Fault
from concord.identity.declaration import People
from concord.jobs import contract_for, datasets_of, teams_in_order
from concord.normalise.mapping import mapping_faults
from concord.platforms.declaration import PlatformDeclaration
from concord.privacy.declaration import Processing
from concord.privacy.flags import consent_flags

__all__ = ["cross_faults", "model_faults"]

LineOf = Callable[[tuple[Any, ...]], int]
Lines = Mapping[str, LineOf]


def model_faults(
    error: ValidationError, model: type[BaseModel], path: str, line_of: LineOf
) -> list[Fault]:
    """What pydantic found, with the line, and for a misspelt key the key meant."""
    found = []
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        place = tuple(part for part in detail["loc"] if not _is_internal(part))
        line = line_of(place)
        if detail["type"] == "extra_forbidden":
            key = str(place[-1])
            meant = difflib.get_close_matches(key, _known_keys(model), n=1)
            hint = f"did you mean `{meant[0]}`?" if meant else ""
            found.append(Fault(path, line, f"unknown key `{key}`", hint))
        else:
            key = ".".join(str(part) for part in place)
            message = detail["msg"].removeprefix("Value error, ")
            found.append(Fault(path, line, f"`{key}`: {message}" if key else message))
    return found


def _is_internal(part: object) -> bool:
    return isinstance(part, str) and ("[" in part or part in ("FieldDeclaration", "options"))


def _known_keys(model: type[BaseModel], seen: frozenset[type] = frozenset()) -> list[str]:
    keys: list[str] = []
    for name, info in model.model_fields.items():
        keys.append(info.alias or name)
        for inner in _models_in(info.annotation):
            if inner not in seen:
                keys += _known_keys(inner, seen | {model, inner})
    if model is PlatformDeclaration:
        from concord.platforms import declaration

        for options in (
            declaration.SqlOptions,
            declaration.FilesOptions,
            declaration.CardDavOptions,
        ):
            keys += options.model_fields
    return keys


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def cross_faults(
    platforms: Mapping[str, PlatformDeclaration],
    subscriptions: Mapping[str, SubscriptionDeclaration],
    contracts: Mapping[str, Contract],
    people: People,
    processing: Processing,
    lines: Lines,
) -> list[Fault]:
    """Names in one file that no other file declares."""
    found = list(_contract_faults(contracts))
    if found:
        return found
    for name, platform in platforms.items():
        found += _platform_faults(name, platform, contracts, processing, lines)
    found += _people_faults(people, platforms, contracts, lines)
    own = tuple(datasets_of(platforms, {}, contracts))
    for team, declared in subscriptions.items():
        found += _subscription_faults(team, declared, contracts, processing, lines)
        found += _place_faults(team, subscriptions, own, lines)
    return found or list(_ring_faults(subscriptions))


def _contract_faults(contracts: Mapping[str, Contract]) -> Iterator[Fault]:
    for dataset in ("clean/*", "people/crosswalk", "people/consents", "golden/contacts"):
        if dataset not in contracts and contract_for(contracts, dataset) is None:
            yield Fault("contracts", 0, f"no contract names {dataset} in schema[0].physicalName")


def _unknown(what: str, name: str, known: list[str], path: str, line: int) -> Fault:
    meant = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{meant[0]}`?" if meant else f"known: {', '.join(sorted(known))}"
    return Fault(path, line, f"{what} `{name}` is declared nowhere", hint)


def _platform_faults(
    name: str,
    platform: PlatformDeclaration,
    contracts: Mapping[str, Contract],
    processing: Processing,
    lines: Lines,
) -> Iterator[Fault]:
    path = f"assets/platforms/{name}.yaml"
    contract = contract_for(contracts, f"clean/{name}")
    if contract is not None:
        for fault in mapping_faults(platform, contract):
            yield Fault(path, lines[path](fault.place), fault.what, fault.hint)
    if platform.audience != "existing":
        golden = {column.name for column in contracts["golden/contacts"].columns}
        for what in sql_faults(platform.audience, golden):
            hint = "an audience is an SQL condition on columns of golden/contacts"
            yield Fault(path, lines[path](("audience",)), what, hint)
    purposes = list(processing.purposes)
    if platform.purpose not in purposes:
        yield _unknown("purpose", platform.purpose, purposes, path, lines[path](("purpose",)))
    for number, claim in enumerate(platform.consents):
        if claim.purpose not in purposes:
            place = ("consents", number, "purpose")
            yield _unknown("purpose", claim.purpose, purposes, path, lines[path](place))


def _people_faults(
    people: People,
    platforms: Mapping[str, PlatformDeclaration],
    contracts: Mapping[str, Contract],
    lines: Lines,
) -> Iterator[Fault]:
    path = "assets/people.yaml"
    line_of = lines[path]
    names = list(platforms)
    golden = [column.name for column in contracts["golden/contacts"].columns]
    for number, name in enumerate(people.survivorship.prefer):
        if name not in names:
            line = line_of(("survivorship", "prefer", number))
            yield _unknown("platform", name, names, path, line)
    for group, declared in people.survivorship.groups.items():
        for number, column in enumerate(declared.columns):
            if column not in golden:
                line = line_of(("survivorship", "groups", group, "columns", number))
                yield _unknown("column", column, golden, path, line)
        for number, name in enumerate(declared.prefer or ()):
            if name not in names:
                line = line_of(("survivorship", "groups", group, "prefer", number))
                yield _unknown("platform", name, names, path, line)


def _subscription_faults(
    team: str,
    declared: SubscriptionDeclaration,
    contracts: Mapping[str, Contract],
    processing: Processing,
    lines: Lines,
) -> Iterator[Fault]:
    path = f"contracts/subscriptions/{team}.yaml"
    line_of = lines[path]
    purposes = list(processing.purposes)
    if declared.purpose not in purposes:
        yield _unknown("purpose", declared.purpose, purposes, path, line_of(("purpose",)))
    contract = contract_for(contracts, declared.dataset)
    if contract is None:
        return
    if (
        declared.purpose in processing.purposes
        and consent_flags(contract, processing, declared.purpose) == ()
    ):
        yield Fault(
            path,
            line_of(("purpose",)),
            f"purpose `{declared.purpose}` rests on consent, and no column of {declared.dataset} "
            "says who consents",
            "subscribe to a dataset with a consent flag for it",
        )
    known = [column.name for column in contract.columns]
    for number, column in enumerate(declared.columns):
        if column not in known:
            yield _unknown("column", column, known, path, line_of(("columns", number)))
    if declared.publishes and contract_for(contracts, declared.publishes) is None:
        known = list(contracts)
        line = line_of(("publishes",))
        yield _unknown("contract for", declared.publishes, known, path, line)


_TEAM = re.compile(r"[a-z][a-z0-9_]*")
_PRIVATE = ("raw/", "quarantine/", "sync/", "ops/")


def _place_faults(
    team: str,
    subscriptions: Mapping[str, SubscriptionDeclaration],
    own: tuple[str, ...],
    lines: Lines,
) -> Iterator[Fault]:
    """What does not fit the other datasets: a team's name, what it reads, what it publishes.

    Args:
        own: datasets that Concord makes itself.
    """
    declared = subscriptions[team]
    path = f"contracts/subscriptions/{team}.yaml"
    line_of = lines[path]
    if not _TEAM.fullmatch(team):
        yield Fault(path, 0, "a team's name is lower case letters, digits and _", "rename the file")
    theirs = [one.publishes for one in subscriptions.values() if one.publishes]
    readable = [*(name for name in own if not name.startswith(_PRIVATE)), *theirs]
    if declared.dataset not in readable:
        yield _unknown("dataset", declared.dataset, readable, path, line_of(("dataset",)))
    families = {name.split("/", 1)[0] for name in own}
    if declared.publishes and declared.publishes.split("/", 1)[0] in families:
        what = f"`{declared.publishes}` lies among Concord's own datasets"
        yield Fault(path, line_of(("publishes",)), what, f"publish {team}/<name>")
    elif declared.publishes and theirs.count(declared.publishes) > 1:
        what = f"another team publishes `{declared.publishes}` too"
        yield Fault(path, line_of(("publishes",)), what)


def _ring_faults(subscriptions: Mapping[str, SubscriptionDeclaration]) -> Iterator[Fault]:
    try:
        teams_in_order(subscriptions)
    except CycleError as error:
        ring = " -> ".join(error.args[1])
        yield Fault("contracts/subscriptions", 0, f"teams wait for each other: {ring}")
