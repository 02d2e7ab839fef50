"""Which consent flags of a dataset stand for a purpose."""

from __future__ import annotations

from concord.contracts.document import Contract
from concord.privacy.declaration import Processing

__all__ = ["consent_flags"]


def consent_flags(
    contract: Contract, processing: Processing, purpose: str
) -> tuple[str, ...] | None:
    """Columns one of which must be true before a row may be used for *purpose*.

    Returns:
        None when the purpose does not rest on consent; empty when it does and no column says who
        consents, so that no row may be used.
    """
    declared = processing.purposes[purpose]
    if not declared.needs_consent:
        return None
    return tuple(
        name
        for name in contract.role("consent")
        if (options := contract.column(name).options)["channel"] == declared.channel
        and options["purpose"] == purpose
    )
