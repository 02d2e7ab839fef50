"""What `contracts/subscriptions/<team>.yaml` says."""

from __future__ import annotations

from typing import Annotated

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["SubscriptionDeclaration"]


def _pin(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError("not a version pin; write ~=2.1 for 2.1 and every later 2.x") from error
    return text


class SubscriptionDeclaration(BaseModel):
    """A downstream team's subscription to one dataset.

    Attributes:
        version: pin on the contract's version (PEP 440), for example ``~=1.0``.
        columns: what the team gets; nothing else is delivered.
        purpose: as in `lineage/processing.yaml`; rows without its consent are left out.
        publishes: the dataset its function keeps, if any; it has its own contract.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    version: Annotated[str, AfterValidator(_pin)]
    columns: tuple[str, ...] = Field(min_length=1)
    purpose: str
    owner: str = Field(min_length=1)
    publishes: str | None = None
