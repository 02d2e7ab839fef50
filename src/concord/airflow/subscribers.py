"""A downstream team's function as an Airflow Dag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import get_parsing_context

from concord.airflow.dags import render_dag
from concord.airflow.operators import StepOperator
from concord.airflow.plans import plan_subscriber

if TYPE_CHECKING:
    from concord.steps.subscription import TeamFunction

__all__ = ["SubscriptionOperator", "subscribe"]

_Function = TypeVar("_Function", bound="TeamFunction")


class SubscriptionOperator(StepOperator):
    """Hand a team's function what changed for it.

    A task parses its Dag file, so the function is at hand where it is called; it is no part of the
    serialised Dag.

    Args:
        team: name of its file in contracts/subscriptions.
        function: takes the rows and a subscription.
    """

    def __init__(self, *, team: str, function: TeamFunction, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.team = team
        self.function = function

    @property
    def job(self) -> str:
        """Name of the project's job."""
        return f"{self.step}.{self.team}"

    def _options(self, params: Mapping[str, Any]) -> dict[str, Any]:
        refresh = {"full_refresh": True} if params.get("full_refresh") else {}
        return {"team": self.team, "function": self.function, **refresh}


def subscribe(
    team: str, dag_file: str, *, operator: type[SubscriptionOperator] = SubscriptionOperator
) -> Callable[[_Function], _Function]:
    """Make the decorated function the team's Dag, ``publish_<team>``.

    The Dag runs when the dataset that the team subscribes to has news, and nightly. The function
    itself stays what it is, so that a test can call it.

    Args:
        team: name of its file in contracts/subscriptions.
        dag_file: the Dag file's ``__file__``; Airflow reads it only if the words "Airflow Dag"
            stand in it.
        operator: the operator class of the task.

    Raises:
        UsageError: the team declares no subscription.
    """
    engine = operator.engine
    project = engine.project(engine.root(Path(dag_file)))
    plan = plan_subscriber(project, team)

    def made(function: _Function) -> _Function:
        if get_parsing_context().dag_id in (None, plan.dag_id):
            dag = render_dag(project, plan, operator, team=team, function=function)
            # Airflow looks for Dags among the globals of the file.
            function.__globals__[plan.dag_id] = dag
        return function

    return made
