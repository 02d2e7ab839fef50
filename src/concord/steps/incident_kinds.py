"""The kinds of incidents: what each means and what to do, in the words of docs/operations.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FAILURES", "KINDS", "Kind"]

FAILURES = frozenset(["failed", "killed"])
"""Kinds that tell of a task's last try."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of incident means.

    Attributes:
        means: a clause; says when it opens.
        todo: what to do about it.
        recovers: what closes it.
    """

    means: str
    todo: str
    recovers: str


KINDS: Mapping[str, Kind] = {
    "failed": Kind(
        "a step failed in its last try",
        "do what the message says; then clear the task or run again, nothing is doubled",
        "the next success of the step",
    ),
    "killed": Kind(
        "a task's process ended without a word, mostly for lack of memory",
        "give it more memory and run again; its log's last line says where it died",
        "the next success of the step",
    ),
    "rejected": Kind(
        "a share of rows near the one that stops publishing is in quarantine",
        "`concord dataset read quarantine/<platform>` shows the rules; mend the source or the "
        "contract before nothing is published any more",
        "a run with a lower share",
    ),
    "volume": Kind(
        "a platform holds, or changed, far more or fewer records than in its last runs",
        "ask the platform's owner for an import, a mass edit or a broken export; if it was meant, "
        "`concord incident close`",
        "a run within the usual, or enough runs at the new level",
    ),
    "late": Kind(
        "a dataset is older than its contract allows",
        "look for what lies behind: the Dag of the dataset that the message names is paused, "
        "failing or not scheduled",
        "the dataset is fresh again",
    ),
    "slow": Kind(
        "a step took far longer than in its last runs",
        "`concord runs slowest` shows how much of it was spent in calls of the platform; look at "
        "the platform and at the machine's load",
        "a run within the usual",
    ),
    "resync": Kind(
        "a platform was read whole though nobody asked: its cursor expired, or its mapping changed",
        "nothing, if the mapping was edited; else run it more often than the platform keeps its "
        "changes",
        "the next reading of changes alone",
    ),
}
