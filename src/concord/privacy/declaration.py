"""What `lineage/processing.yaml` says: purposes, legal bases, recipients."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Processing", "Purpose"]

LegalBasis = Literal[
    "consent",
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_task",
    "legitimate_interests",
]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Purpose(_Declared):
    """One purpose of processing (Art. 30 GDPR).

    Attributes:
        channel: the channel that consent is given for; needed where consent is the basis.
        recipients: ``platform:<name>`` or ``subscription:<team>``.
        transfers: ``none``, or country to safeguard.
    """

    legal_basis: LegalBasis
    channel: str | None = None
    subjects: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    transfers: Any = "none"
    retention: str = ""

    @model_validator(mode="after")
    def _consent_has_a_channel(self) -> Purpose:
        if self.legal_basis == "consent" and not self.channel:
            raise ValueError("a purpose that rests on consent needs `channel`")
        return self

    @property
    def needs_consent(self) -> bool:
        """Whether nobody may be sent there without a grant."""
        return self.legal_basis == "consent"


class Processing(_Declared):
    """The register of processing."""

    controller: dict[str, str] = Field(default_factory=dict)
    security: str = ""
    purposes: dict[str, Purpose] = Field(min_length=1)
