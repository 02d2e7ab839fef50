"""When a failed task is tried again: the class of the error decides."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from concord.errors import ConcordError, Throttled

__all__ = ["SyncPolicy", "backoff_s"]

_LONGEST_WAIT_S = 86_400.0  # whatever a platform names


class SyncPolicy(RetryPolicy):
    """Fail at once on a terminal error, wait as told when throttled, else back off.

    Airflow's own jitter is the same for every mapped instance of a task, so this one is its own.
    """

    def __init__(self, *, first_delay_s: float, max_delay_s: float) -> None:
        self.first_delay_s = first_delay_s
        self.max_delay_s = max_delay_s

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,  # noqa: ARG002 - Airflow's signature
        context: Any = None,  # noqa: ARG002 - Airflow's signature
    ) -> RetryDecision:
        """Decide by the error's class; anything that is not ours may pass."""
        if isinstance(exception, Throttled):
            wait = timedelta(seconds=min(exception.retry_after_s, _LONGEST_WAIT_S))
            return RetryDecision.retry(wait, "the platform named the time to wait")
        if isinstance(exception, ConcordError) and not exception.transient:
            return RetryDecision.fail("trying again changes nothing")
        wait_s = backoff_s(try_number, self.first_delay_s, self.max_delay_s)
        return RetryDecision.retry(timedelta(seconds=wait_s), "it may pass")

    def serialize(self) -> dict[str, Any]:
        """What the serialised Dag shows of this policy."""
        return {"first_delay_s": self.first_delay_s, "max_delay_s": self.max_delay_s}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SyncPolicy:
        """Read what `serialize` wrote."""
        return cls(**data)


def backoff_s(
    try_number: int,
    first_delay_s: float,
    max_delay_s: float,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Seconds to wait after try *try_number* (1-based): doubling, between half and the whole.

    ("Equal jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.)
    """
    doublings = min(max(try_number - 1, 0), 32)
    ceiling = min(first_delay_s * 2.0**doublings, max_delay_s)
    return uniform(ceiling / 2, ceiling)
