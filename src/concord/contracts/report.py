"""What the gate found, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Report"]


@dataclass(frozen=True, slots=True)
class Report:
    """Counts of one pass; never a value.

    Attributes:
        by_rule: rejected rows by rule; a row that breaks two counts twice.
        warnings: the same for rules that only warn.
    """

    checked: int
    rejected: int
    by_rule: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Share of rejected rows among the checked ones; 0 when nothing was checked."""
        return self.rejected / self.checked if self.checked else 0.0

    @property
    def counts(self) -> dict[str, int]:
        """Failed rules with counts, warnings included."""
        return {**self.warnings, **self.by_rule}
