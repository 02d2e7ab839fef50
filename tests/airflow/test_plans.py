"""The Dags as values."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from concord.airflow.plans import DagPlan, most_upstream, plan_dags, selected_jobs
from concord.errors import UsageError
from concord.jobs import CARE, GOLDEN
from concord.project import load


@pytest.fixture(scope="module")
def plans(reference: Path) -> dict[str, DagPlan]:
    return {plan.dag_id: plan for plan in plan_dags(load(reference))}


def test_every_job_but_a_subscribers_is_in_exactly_one_dag(plans, reference):
    jobs = sorted(job.name for job in load(reference).jobs if job.step != "publish")
    assert sorted(job for plan in plans.values() for job in plan.jobs) == jobs


def test_a_producer_runs_by_the_platforms_own_schedule(plans, reference):
    project = load(reference)
    crm = plans["extract_crm"]
    assert (crm.assets, crm.crons, crm.timezone) == (
        (),
        (project.platforms["crm"].schedule,),
        project.timezone_of("crm"),
    )


def test_everything_between_runs_on_assets_or_nightly(plans, reference):
    nightly = load(reference).nightly
    ends = ("extract_", "sync_", "maintain", "freshness")
    between = [one for one in plans.values() if not one.dag_id.startswith(ends)]
    assert all(plan.assets and plan.crons == (nightly,) for plan in between)


def test_a_platform_is_synced_on_goldens_events_and_when_its_window_opens(plans):
    assert all(plans[f"sync_{name}"].assets == (GOLDEN,) for name in ("crm", "newsletter"))
    assert plans["sync_crm"].crons == ("0 20 * * *", "0 21 * * *")
    assert plans["sync_newsletter"].crons == ("0 19 * * 1,2,3,4,5", "0 20 * * 1,2,3,4,5")


def test_windows_that_nobody_keeps_start_nothing(reference):
    plans = {plan.dag_id: plan for plan in plan_dags(load(reference, "demo"))}
    assert plans["sync_crm"].crons == (load(reference).nightly,)


def test_hours_are_those_of_the_platforms_own_zone(reference):
    project = load(reference)
    far = project.platforms["crm"].model_copy(update={"timezone": "America/New_York"})
    project = replace(project, platforms={**project.platforms, "crm": far})
    zones = {plan.dag_id: plan.timezone for plan in plan_dags(project)}
    assert (zones["extract_crm"], zones["sync_crm"]) == ("America/New_York",) * 2
    assert (zones["clean_crm"], zones["sync_newsletter"]) == ("Europe/Vienna",) * 2


def test_maintenance_runs_at_its_own_hour_over_every_dataset_and_waits_for_everybody(
    plans, reference
):
    project = load(reference)
    plan = plans["maintain"]
    assert (plan.assets, plan.crons) == ((), (project.maintenance,))
    (task,) = plan.tasks
    assert task.datasets == (*project.datasets, "leftovers")
    assert (task.outlets, task.pool) == ((), None)
    care = [one.weight for name in CARE for one in plans[name].tasks]
    others = [one.weight for n, p in plans.items() if n not in CARE for one in p.tasks]
    assert max(care) < min(others)


def test_freshness_is_looked_at_whoever_does_not_run(plans, reference):
    plan = plans["freshness"]
    assert (plan.assets, plan.crons) == ((), (load(reference).freshness,))


def test_no_dag_is_started_by_what_it_publishes(plans):
    own = {
        dag: set(plan.assets) & {name for task in plan.tasks for name in task.outlets}
        for dag, plan in plans.items()
    }
    assert not any(own.values())


def test_only_the_last_task_of_a_dag_has_outlets(plans):
    assert all(not task.outlets for plan in plans.values() for task in plan.tasks[:-1])


def test_deliver_is_mapped_over_the_plan_and_acknowledge_runs_whatever_it_did(plans):
    plan, deliver, acknowledge = plans["sync_newsletter"].tasks
    assert (plan.task_id, deliver.mapped_over, deliver.after) == ("plan", "plan", ("plan",))
    assert (acknowledge.after, acknowledge.trigger_rule) == (("plan", "deliver"), "all_done")


def test_where_several_write_the_withdrawals_go_before_them_all(plans):
    _, withdraw, deliver, acknowledge = plans["sync_crm"].tasks
    assert (withdraw.withdrawals, withdraw.mapped_over, withdraw.after) == (True, None, ("plan",))
    assert (deliver.withdrawals, deliver.mapped_over) == (False, "plan")
    assert (deliver.after, deliver.trigger_rule) == (("plan", "withdraw"), "none_failed")
    assert acknowledge.after == ("plan", "deliver", "withdraw")


def test_only_chunks_of_one_delivery_have_a_platform_at_once(plans, reference):
    platforms = load(reference).platforms
    assert {name: one.writers for name, one in platforms.items()} == {
        "crm": 4,
        "address_book": 4,
        "newsletter": 1,
    }
    tasks = [task for plan in plans.values() for task in plan.tasks if task.pool]
    assert {task.task_id for task in tasks} == {"extract", "withdraw", "deliver", "acknowledge"}
    for task in tasks:
        alone = task.task_id != "deliver"
        assert task.pool == f"concord_{task.platform}"
        assert task.pool_slots == (platforms[task.platform].writers if alone else 1)


def test_priority_falls_on_every_way_down_to_golden(plans):
    makers = {
        name: (plan, task)
        for plan in plans.values()
        for task in plan.tasks
        for name in task.outlets
        if name.split("/")[0] != "sync"
    }
    for plan in plans.values():
        for name in plan.assets:
            maker, task = makers[name]
            if maker.depth < plan.depth and not plan.dag_id.startswith("sync_"):
                assert task.weight > max(one.weight for one in plan.tasks)


def test_what_golden_asks_for_goes_before_a_look_at_what_came_of_it(plans):
    sync = min(task.weight for task in plans["sync_crm"].tasks)
    assert sync > max(task.weight for task in plans["clean_crm"].tasks)
    assert sync < min(task.weight for task in plans["extract_crm"].tasks)
    assert plans["sync_crm"].assets == ("golden/contacts",)


def test_what_is_behind_is_caught_up_from_upstream(plans):
    every = tuple(plans.values())
    assert most_upstream(["sync_crm", "survivorship", "resolve"], every) == ("resolve",)
    assert most_upstream(["sync_crm", "clean_crm"], every) == ("clean_crm",)
    assert most_upstream(["sync_crm", "sync_newsletter"], every) == ("sync_crm", "sync_newsletter")
    assert most_upstream([], every) == ()


def test_plans_need_no_airflow():
    import subprocess

    code = "import sys; import concord.airflow.plans; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SYNC = tuple(
    f"{s}.{p}"
    for p in ("address_book", "crm", "newsletter")
    for s in ("plan", "deliver", "acknowledge")
)


@pytest.mark.parametrize(
    ("patterns", "jobs"),
    [
        (("golden/contacts",), ("survivorship",)),
        (("golden/contacts+",), ("survivorship", *SYNC, "publish.billing")),
        (("+clean/crm", "raw/newsletter"), ("extract.crm", "extract.newsletter", "clean.crm")),
        (("quarantine/crm",), ("clean.crm",)),
    ],
)
def test_a_selection_means_the_jobs_that_make_its_datasets(reference, patterns, jobs):
    assert selected_jobs(load(reference), patterns) == jobs


def test_what_is_selected_and_not_there_is_told_with_what_is_like_it(reference):
    with pytest.raises(UsageError, match="golden/contact; did you mean golden/contacts"):
        selected_jobs(load(reference), ["+golden/contact+"])
    with pytest.raises(UsageError, match="ops/runs: no step makes it"):
        selected_jobs(load(reference), ["ops/runs"])
