"""The worker of an embedded run: drains a project's graph on Airflow's scheduler, then sweeps.

Started by `concord.airflow.front` with everything in its environment. It dies with the front, and
its tasks die with it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from concord.airflow.engine import Engine, Incident
from concord.airflow.foreign import import_error
from concord.airflow.messages import ORDER, RUN, STOP, Event, Order, tell
from concord.airflow.plans import DagPlan, most_upstream, plan_all
from concord.airflow.processes import die_with_parent, one_at_a_time
from concord.airflow.sweep import SWEEP, ask

if TYPE_CHECKING:
    from concord.project import Project

__all__ = ["main"]


def main(engine: Engine | None = None, *, sweep: Sequence[str] = SWEEP) -> NoReturn:
    """Do the order in the environment; exits 0 when all is up to date, 1 otherwise."""
    die_with_parent()
    state = Path(os.environ["AIRFLOW_HOME"])
    lock = one_at_a_time(state)
    if lock is None:
        tell(Event("refused", text="another run of this project is active; wait for it or stop it"))
        sys.exit(1)
    with lock:
        engine = engine or Engine()
        project = engine.project(Path(os.environ["CONCORD_PROJECT"]))
        os.environ["AIRFLOW__OPENLINEAGE__NAMESPACE"] = project.lineage_namespace
        order = Order.from_json(os.environ[ORDER])
        sys.exit(_Run(project, order, sweep).go())


class _Run:
    """One order, from an empty or a half-done database to its last incident."""

    def __init__(self, project: Project, order: Order, sweep: Sequence[str]) -> None:
        self.project = project
        self.order = order
        self.sweep = sweep
        self.began_at = datetime.now(UTC)
        os.environ[RUN] = f"{self.began_at:%Y-%m-%dT%H:%M:%S}"
        self.blind = False
        self.untold = False
        self.moved = False
        self.plans = plan_all(project)
        self.tasks = {(plan.dag_id, t.task_id): t for plan in self.plans for t in plan.tasks}
        self.known: frozenset[str] = frozenset()

    def go(self) -> int:
        """Everything; returns the exit code."""
        tell(Event("stage", text="starting Airflow"))
        from concord.airflow import database
        from concord.airflow.assets import addresses
        from concord.airflow.patches import apply_patches
        from concord.airflow.pools import make_pools

        apply_patches()
        database.prepare()
        database.recover()
        database.release(addresses(self.project))
        make_pools(self.project.platforms)
        errors = database.fill_dags()
        if errors:
            names = ", ".join(import_error(path, text) for path, text in sorted(errors.items()))
            told = f"Dag files with errors: {names}; nothing ran: mend them and run again"
            tell(Event("refused", text=told))
            return 1
        database.forget_the_calendar()
        self.known = database.parsed_since(self.began_at)
        self._tell_of_missing()
        if self.order.only is not None:
            self.known &= {one.dag_id for one in self.plans if {*one.jobs} & {*self.order.only}}
            database.pause_all_but(self.known)
        self._start()
        self._drain()
        behind = self._sweep()
        failed = database.failed_since(self.began_at, self.tasks)
        self._tell_of(failed)
        if behind and not failed:
            tell(Event("behind", text=", ".join(behind)))
        good = not (failed or behind or self.blind)
        tell(Event("done", state="success" if good else "failed"))
        return 0 if good else 1

    def _start(self) -> None:
        """Trigger the first Dags; the order's parameters are for extracts, nobody else has them."""
        from concord.airflow import database

        extracts = _producers(self.plans)
        first = extracts if self.order.first is None else self.order.first
        if self.order.only is not None and self.order.first is None:
            first = most_upstream(self.known, self.plans)
        database.trigger([one for one in first if one in extracts], self.order.conf)
        database.trigger([one for one in first if one not in extracts], {})

    def _drain(self) -> None:
        from concord.airflow.inline import drain

        drain(self._tell_with_step, stop=os.environ.get(STOP, ""))

    def _tell_with_step(self, event: Event) -> None:
        plan = self.tasks.get((event.dag, event.task))
        step, platform = (plan.step, plan.platform or plan.team) if plan else (event.task, None)
        # A plan succeeds also when it finds nothing new; every other step is skipped then.
        self.moved |= event.state == "success" and step != "plan"
        tell(
            Event(
                event.what,
                event.dag,
                event.task,
                step,
                platform,
                event.map_index,
                event.try_number,
                event.state,
                event.seconds,
            )
        )

    def _sweep(self) -> tuple[str, ...]:
        """Trigger what is behind, most upstream first, while it helps; returns what still is.

        The same Dags may be behind twice: what they delivered came back, and rang no bell.
        """
        from concord.airflow import database

        before: tuple[str, ...] = ()
        for number in range(self.order.rounds + 1):
            behind = self._behind()
            stuck = behind == before and not self.moved
            if not behind or stuck or number == self.order.rounds:
                return behind
            before, self.moved = behind, False
            wanted = most_upstream(behind, self.plans)
            tell(Event("stage", text=f"catching up: {', '.join(wanted)}"))
            database.trigger(wanted, {})
            self._drain()
        return ()

    def _behind(self) -> tuple[str, ...]:
        """Dags with a job whose cursor is behind, without those that failed in this run."""
        from concord.airflow import database

        found = ask({"root": str(self.project.root), "behind": True}, command=self.sweep)
        if found is None:
            self.blind = True
            tell(Event("stage", text="the cursors could not be read; the worker's log says why"))
            return ()
        self.untold = bool(found["untold"])
        dag_of = {job: plan.dag_id for plan in self.plans for job in plan.jobs}
        failed = {one.dag for one in database.failed_since(self.began_at, self.tasks)}
        late = ({dag_of[job] for job in found["behind"] if job in dag_of} & self.known) - failed
        return tuple(plan.dag_id for plan in self.plans if plan.dag_id in late)

    def _tell_of_missing(self) -> None:
        missing = [plan.team for plan in self.plans if plan.team and plan.dag_id not in self.known]
        if missing:
            names = ", ".join(missing)
            tell(Event("stage", text=f"no Dag file has @subscribe for {names}: it gets nothing"))

    def _tell_of(self, failed: Sequence[Incident]) -> None:
        for one in failed:
            tell(Event("failed", one.dag, one.task, one.step, one.platform, try_number=one.tries))
        if failed or self.untold:
            incidents = [one.to_json() for one in failed]
            ask({"root": str(self.project.root), "record": incidents}, command=self.sweep)


def _producers(plans: Sequence[DagPlan]) -> tuple[str, ...]:
    return tuple(plan.dag_id for plan in plans if plan.tasks[0].step == "extract")


if __name__ == "__main__":
    main()
