"""Claims of consent, from native fields and back.

In operations a claim is ``{"claim": "granted" | "withdrawn", "at": instant as ISO text | null}``
under the column ``consent/<channel>/<purpose>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from concord.normalise.dates import read_instant
from concord.normalise.mapping import ClaimMap
from concord.normalise.text import line
from concord.platforms.base import Native

__all__ = ["claim_column", "claim_natives", "native_claim", "read_claim"]


def claim_column(claim: ClaimMap) -> str:
    """What cells and operations call the claim."""
    return f"consent/{claim.channel}/{claim.purpose}"


def claim_natives(claim: ClaimMap) -> tuple[str, ...]:
    """The native fields that state it."""
    return (claim.state, claim.at) if claim.at else (claim.state,)


def read_claim(claim: ClaimMap, fields: Mapping[str, Native]) -> tuple[str, str | None] | None:
    """The claim that native fields make, and its date as ISO text; None for none."""
    state = fields.get(claim.state)
    said = line(state) if isinstance(state, str) else None
    made = {claim.granted: "granted", claim.withdrawn: "withdrawn"}.get(said or "")
    if made is None:
        return None
    stated = fields.get(claim.at) if claim.at else None
    at = read_instant(stated) if isinstance(stated, str) else None
    return made, at.isoformat() if at else None


def native_claim(claim: ClaimMap, value: Mapping[str, Any]) -> dict[str, Native]:
    """The native fields that state *value*."""
    state = claim.granted if value["claim"] == "granted" else claim.withdrawn
    return {claim.state: state, **({claim.at: value.get("at")} if claim.at else {})}
