"""Consent: claims of every platform, brought together per (channel, address, purpose).

The latest withdrawal and the latest grant of each are kept for ever; consent holds only while the
grant is the later one. Folding claims in any order, and any claim twice, gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

__all__ = ["Claim", "Refused", "fold_claims", "reaches"]

_AHEAD = timedelta(days=1)
ConsentRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one record says of one address.

    Attributes:
        claim: ``granted`` or ``withdrawn``.
        claimed_at: the platform's date; None when it gives none.
        since: when the claim was first seen.
        address: normalised.
        address_since: when the address was first seen in the record, or seen to be gone.
        address_removed: it is not in the record any more.
    """

    record_id: str
    platform: str
    channel: str
    purpose: str
    claim: str
    claimed_at: datetime | None
    since: datetime
    address: str
    address_since: datetime
    address_removed: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A claim that cannot count, and the rule it breaks."""

    claim: Claim
    rule: str


def fold_claims(
    claims: Iterable[Claim],
    known: Mapping[str, ConsentRow],
    *,
    now: datetime,
    consent_id: Callable[[str, str, str], str],
) -> tuple[dict[str, ConsentRow], list[Refused]]:
    """Take claims into what is known.

    Args:
        claims: of records that changed; claims of our own making are no evidence and left out.
        known: consents by id.
        consent_id: (channel, address, purpose) to id.

    Returns:
        The rows that change, and the grants that cannot count: without a date, or dated ahead.
    """
    changed: dict[str, ConsentRow] = {}
    refused = []
    for claim in claims:
        if not reaches(claim):
            continue
        if claim.claim == "granted":
            rule = _unfit(claim, now)
            if rule is not None:
                refused.append(Refused(claim, rule))
                continue
        name = consent_id(claim.channel, claim.address, claim.purpose)
        row = changed.get(name) or _copy(known.get(name)) or _fresh(name, claim)
        changed[name] = _folded(row, claim, now)
    return {n: row for n, row in changed.items() if row != _copy(known.get(n))}, refused


def reaches(claim: Claim) -> bool:
    """A withdrawal reaches every address in the row, and one removed in the same reading; a grant
    only those that stood there when it was first read."""
    if claim.claim == "withdrawn":
        return not claim.address_removed or claim.address_since == claim.since
    return not claim.address_removed and claim.address_since <= claim.since


def _unfit(claim: Claim, now: datetime) -> str | None:
    if claim.claimed_at is None:
        return "consent.at.required"
    return "consent.at.plausible" if claim.claimed_at > now + _AHEAD else None


def _copy(row: Mapping[str, Any] | None) -> ConsentRow | None:
    if row is None:
        return None
    found = {name: value for name, value in row.items() if not name.startswith("_")}
    return {**found, "claims": [dict(one) for one in row["claims"] or ()]}


def _fresh(name: str, claim: Claim) -> ConsentRow:
    return {
        "consent_id": name,
        "channel": claim.channel,
        "address": claim.address,
        "purpose": claim.purpose,
        "withdrawn_at": None,
        "granted_at": None,
        "status": "withdrawn",
        "claims": [],
    }


def _folded(row: ConsentRow, claim: Claim, now: datetime) -> ConsentRow:
    at = _counts_from(claim, now)
    name = f"{claim.claim}_at"
    row = {**row, name: max(row[name], at) if row[name] else at}
    granted, withdrawn = row["granted_at"], row["withdrawn_at"]
    holds = granted is not None and (withdrawn is None or granted > withdrawn)
    said = {
        "platform": claim.platform,
        "record_id": claim.record_id,
        "state": claim.claim,
        "at": at,
    }
    latest = {one["record_id"]: one for one in sorted([*row["claims"], said], key=_lateness)}
    claims = sorted(latest.values(), key=lambda one: (one["platform"], one["record_id"]))
    return {**row, "status": "granted" if holds else "withdrawn", "claims": claims}


def _counts_from(claim: Claim, now: datetime) -> datetime:
    """The platform's date; when the claim was first seen, if it has none or one that lies ahead."""
    if claim.claimed_at is None or claim.claimed_at > now + _AHEAD:
        return claim.since
    return claim.claimed_at


def _lateness(one: Mapping[str, Any]) -> tuple[datetime, bool]:
    return one["at"], one["state"] == "withdrawn"
