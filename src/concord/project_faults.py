"""Faults of a project that is readable file by file: names that no other file declares."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from concord.assets.subscription import SubscriptionDeclaration
from concord.contracts.document import Contract
from concord.contracts.sql import sql_faults
from concord.errors import Fault
from concord.identity.declaration import People
from concord.jobs import GOLDEN, contract_for, datasets_of, teams_in_order
from concord.normalise.mapping import mapping_faults
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.registry import kinds
from concord.privacy.declaration import Processing
from concord.privacy.flags import consent_flags
from concord.settings import Settings
from concord.value_faults import platform_values, settings_values

__all__ = ["Declared", "cross_faults"]

LineOf = Callable[[tuple[Any, ...]], int]


@dataclass(frozen=True, slots=True)
class Declared:
    """Everything a project declares, each file readable by itself.

    Attributes:
        lines: by file, path of keys and positions to line.
    """

    settings: Settings
    platforms: Mapping[str, PlatformDeclaration]
    subscriptions: Mapping[str, SubscriptionDeclaration]
    contracts: Mapping[str, Contract]
    people: People
    processing: Processing
    lines: Mapping[str, LineOf]


def cross_faults(declared: Declared) -> list[Fault]:
    """Names in one file that no other file declares, and values that nothing could work with."""
    found = list(_contract_faults(declared.contracts))
    if found:
        return found
    line_of = declared.lines["concord.yaml"]
    found += [
        Fault("concord.yaml", line_of(place), what, hint)
        for place, what, hint in settings_values(declared.settings)
    ]
    for name in declared.platforms:
        found += _platform_faults(name, declared)
    found += _people_faults(declared)
    found += _processing_faults(declared)
    own = tuple(datasets_of(declared.platforms, {}, declared.contracts))
    for team in declared.subscriptions:
        found += _subscription_faults(team, declared)
        found += _place_faults(team, declared, own)
    return found or list(_ring_faults(declared.subscriptions))


def _contract_faults(contracts: Mapping[str, Contract]) -> Iterator[Fault]:
    for dataset in ("clean/*", "people/crosswalk", "people/consents", "golden/contacts"):
        if dataset not in contracts and contract_for(contracts, dataset) is None:
            what = f"no contract names {dataset} in schema[0].physicalName"
            hint = "put back its file, or copy it from Concord's reference project"
            yield Fault("contracts", 0, what, hint)


def _unknown(what: str, name: str, known: list[str], path: str, line: int) -> Fault:
    meant = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{meant[0]}`?" if meant else f"known: {', '.join(sorted(known))}"
    return Fault(path, line, f"{what} `{name}` is declared nowhere", hint)


def _platform_faults(name: str, declared: Declared) -> Iterator[Fault]:
    path = f"assets/platforms/{name}.yaml"
    line_of = declared.lines[path]
    platform = declared.platforms[name]
    contract = contract_for(declared.contracts, f"clean/{name}")
    for place, what, hint in platform_values(name, platform, kinds()):
        yield Fault(path, line_of(place), what, hint)
    if contract is not None:
        for fault in mapping_faults(platform, contract):
            yield Fault(path, line_of(fault.place), fault.what, fault.hint)
        yield from _stranded(platform, contract, declared.contracts[GOLDEN], path, line_of)
    natives = [one.source for column in platform.fields for one in platform.column(column)]
    for number, native in enumerate(platform.unique):
        if native not in natives:
            line = line_of(("unique", number))
            yield _unknown("native field", native, natives, path, line)
    for what in _audience_faults(platform, declared.contracts[GOLDEN]):
        hint = "an audience is an SQL condition on columns of golden/contacts"
        yield Fault(path, line_of(("audience",)), what, hint)
    yield from _purpose_faults(platform, declared, path, line_of)
    channels = [one for one in _CHANNELS if contract is None or contract.role(one)]
    for number, claim in enumerate(platform.consents):
        if claim.channel not in channels:
            line = line_of(("consents", number, "channel"))
            yield _unknown("channel", claim.channel, channels, path, line)


def _stranded(
    platform: PlatformDeclaration, clean: Contract, golden: Contract, path: str, line_of: LineOf
) -> Iterator[Fault]:
    """Columns declared to be written, which golden, from which everything is written, lacks."""
    ours = {column.name for column in golden.columns}
    for column in clean.columns:
        fields = platform.column(column.name)
        if column.name not in ours and any(field.write for field in fields):
            what = f"column `{column.name}` is not in {golden.name}, so it never leaves clean"
            hint = "add it to contracts/golden.odcs.yaml, or write {from: …, write: false} here"
            yield Fault(path, line_of(("fields", column.name)), what, hint)


_CHANNELS = ("email", "phone")  # roles of the columns that hold the addresses


def _audience_faults(platform: PlatformDeclaration, golden: Contract) -> Iterator[str]:
    if platform.audience != "existing":
        yield from sql_faults(platform.audience, {column.name for column in golden.columns})


def _purpose_faults(
    platform: PlatformDeclaration, declared: Declared, path: str, line_of: LineOf
) -> Iterator[Fault]:
    purposes = list(declared.processing.purposes)
    line = line_of(("purpose",))
    if platform.purpose and platform.purpose not in purposes:
        yield _unknown("purpose", platform.purpose, purposes, path, line)
    elif platform.direction != "in" and _nobody_consents(GOLDEN, platform.purpose, declared):
        yield _no_flag(platform.purpose, GOLDEN, path, line)
    for number, claim in enumerate(platform.consents):
        if claim.purpose not in purposes:
            place = ("consents", number, "purpose")
            yield _unknown("purpose", claim.purpose, purposes, path, line_of(place))


def _nobody_consents(dataset: str, purpose: str, declared: Declared) -> bool:
    """Whether the purpose rests on consent, and no column of the dataset says who consents."""
    contract = contract_for(declared.contracts, dataset)
    if contract is None or purpose not in declared.processing.purposes:
        return False
    return consent_flags(contract, declared.processing, purpose) == ()


def _no_flag(purpose: str, dataset: str, path: str, line: int) -> Fault:
    return Fault(
        path,
        line,
        f"purpose `{purpose}` rests on consent, and no column of {dataset} says who consents",
        "give the contract a consent flag with the purpose and its channel",
    )


def _people_faults(declared: Declared) -> Iterator[Fault]:
    path = "assets/people.yaml"
    line_of = declared.lines[path]
    names = list(declared.platforms)
    golden = [column.name for column in declared.contracts[GOLDEN].columns]
    rules = declared.people.survivorship
    for number, name in enumerate(rules.prefer):
        if name not in names:
            line = line_of(("survivorship", "prefer", number))
            yield _unknown("platform", name, names, path, line)
    taken: dict[str, str] = {}
    for group, one in rules.groups.items():
        for number, column in enumerate(one.columns):
            line = line_of(("survivorship", "groups", group, "columns", number))
            if column not in golden:
                yield _unknown("column", column, golden, path, line)
            elif taken.setdefault(column, group) != group:
                what = f"column `{column}` is in the groups `{taken[column]}` and `{group}`"
                yield Fault(path, line, what, "a column moves with one group")
        for number, name in enumerate(one.prefer or ()):
            if name not in names:
                line = line_of(("survivorship", "groups", group, "prefer", number))
                yield _unknown("platform", name, names, path, line)


def _processing_faults(declared: Declared) -> Iterator[Fault]:
    """Names that cannot travel; recipients that are no platform and no team of this project."""
    path = "lineage/processing.yaml"
    line_of = declared.lines[path]
    known = [f"platform:{name}" for name in declared.platforms]
    known += [f"subscription:{team}" for team in declared.subscriptions]
    for name, purpose in declared.processing.purposes.items():
        if not _PURPOSE.fullmatch(name):
            what = f"`{name}` is no name of a purpose"
            yield Fault(path, line_of(("purposes", name)), what, "write letters, digits, _ and -")
        for number, recipient in enumerate(purpose.recipients):
            if recipient not in known:
                line = line_of(("purposes", name, "recipients", number))
                yield _unknown("recipient", recipient, known, path, line)
    for recipient, name in _sent(declared):
        purpose_of = declared.processing.purposes.get(name)
        if purpose_of is not None and recipient not in purpose_of.recipients:
            line = line_of(("purposes", name, "recipients"))
            what = f"`{recipient}` is given people for `{name}` and is no recipient of it"
            yield Fault(path, line, what, "add it to the purpose's recipients")


def _sent(declared: Declared) -> Iterator[tuple[str, str]]:
    """Everybody who is given people, and the purpose."""
    for name, platform in declared.platforms.items():
        if platform.direction != "in":
            yield f"platform:{name}", platform.purpose
    for team, subscription in declared.subscriptions.items():
        yield f"subscription:{team}", subscription.purpose


def _subscription_faults(team: str, declared: Declared) -> Iterator[Fault]:
    path = f"contracts/subscriptions/{team}.yaml"
    line_of = declared.lines[path]
    subscription = declared.subscriptions[team]
    purposes = list(declared.processing.purposes)
    if subscription.purpose not in purposes:
        line = line_of(("purpose",))
        yield _unknown("purpose", subscription.purpose, purposes, path, line)
    contract = contract_for(declared.contracts, subscription.dataset)
    if contract is None:
        return
    if _nobody_consents(subscription.dataset, subscription.purpose, declared):
        yield _no_flag(subscription.purpose, subscription.dataset, path, line_of(("purpose",)))
    if _later(subscription.version, contract.version):
        what = f"`version` asks for a later contract than {contract.version}, the one there is"
        yield Fault(
            path, line_of(("version",)), what, f"write ~={contract.version.rpartition('.')[0]}"
        )
    known = [column.name for column in contract.columns]
    for number, column in enumerate(subscription.columns):
        if column not in known:
            yield _unknown("column", column, known, path, line_of(("columns", number)))
    publishes = subscription.publishes
    if publishes and contract_for(declared.contracts, publishes) is None:
        made = list(declared.contracts)
        yield _unknown("contract for", publishes, made, path, line_of(("publishes",)))


def _later(pin: str, version: str) -> bool:
    """Whether a pin leaves a contract out because it is too old; one too new is told when it comes.

    A contract may move on before its readers do: each of them is refused then, for itself.
    """
    if SpecifierSet(pin).contains(version, prereleases=True):
        return False
    lower = [one for one in SpecifierSet(pin) if one.operator in ("~=", "==", ">=", ">")]
    return any(Version(one.version.removesuffix(".*")) >= Version(version) for one in lower)


_PURPOSE = re.compile(r"[\w-]+")
_TEAM = re.compile(r"[a-z][a-z0-9_]*")
_PRIVATE = ("raw/", "quarantine/", "sync/", "ops/")


def _place_faults(team: str, project: Declared, own: tuple[str, ...]) -> Iterator[Fault]:
    """What does not fit the other datasets: a team's name, what it reads, what it publishes.

    Args:
        own: datasets that Concord makes itself.
    """
    declared = project.subscriptions[team]
    path = f"contracts/subscriptions/{team}.yaml"
    line_of = project.lines[path]
    if not _TEAM.fullmatch(team):
        yield Fault(path, 0, "a team's name is lower case letters, digits and _", "rename the file")
    theirs = [one.publishes for one in project.subscriptions.values() if one.publishes]
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
