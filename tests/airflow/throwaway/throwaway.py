"""A throwaway project: three platforms, every dataset a small JSON file.

A dataset file is ``{"version": n, "content": c, "cursors": {input: version}}``. A step publishes
when an input has a version after its cursor and the newest content differs from its own; else its
cursors move alone. ``behaviour.json`` makes a job misbehave: ``{"clean.b": "terminal"}``.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from concord.airflow.engine import Engine
from concord.platforms.effort import Effort

PLATFORMS = ("a", "b", "c")


@dataclass(frozen=True)
class Job:
    name: str
    step: str
    platform: str | None
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    feedback: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    dataset: str
    version: int
    outcome: str
    rows: int = 1
    upserted: int = 1
    deleted: int = 0
    record: Any = None


@dataclass(frozen=True)
class Result:
    step: str
    platform: str | None
    published: tuple[Published, ...]
    reads: int = 0
    writes: int = 0
    rows_in: int = 0
    quarantined: int = 0
    notes: tuple[str, ...] = ()
    facts: dict[str, int] = field(default_factory=dict)

    @property
    def moved(self) -> bool:
        return any(one.outcome in ("written", "already") for one in self.published)


def jobs() -> tuple[Job, ...]:
    found = [Job(f"extract.{p}", "extract", p, (), (f"raw/{p}",)) for p in PLATFORMS]
    found.append(Job("consent", "consent", None, _all("raw"), ("people/consents",)))
    found += [
        Job(f"clean.{p}", "clean", p, (f"raw/{p}",), (f"quarantine/{p}", f"clean/{p}"))
        for p in PLATFORMS
    ]
    found.append(Job("resolve", "resolve", None, _all("clean"), ("people/crosswalk",)))
    reads = (*_all("clean"), "people/crosswalk", "people/consents")
    found.append(Job("survivorship", "survivorship", None, reads, ("golden/contacts",)))
    for p in PLATFORMS:
        plan, receipts, base = f"sync/{p}/plan", f"sync/{p}/receipts", f"sync/{p}/base"
        reads = ("golden/contacts", "people/crosswalk", f"clean/{p}", f"raw/{p}", base)
        found.append(Job(f"plan.{p}", "plan", p, reads, (plan,)))
        found.append(Job(f"deliver.{p}", "deliver", p, (plan,), (receipts,)))
        back = (base, f"raw/{p}")
        found.append(Job(f"acknowledge.{p}", "acknowledge", p, (receipts,), back, (f"raw/{p}",)))
    found.append(Job("publish.billing", "publish", None, ("golden/contacts",), ()))
    return tuple(found)


def _all(kind: str) -> tuple[str, ...]:
    return tuple(f"{kind}/{p}" for p in PLATFORMS)


def project(root: Path) -> Any:
    found = jobs()
    names = {name for job in found for name in (*job.reads, *job.writes)}
    contract = SimpleNamespace(id="golden-contacts", version="1.0.0", sha256="0" * 64)
    return SimpleNamespace(
        root=root,
        lake=str(root / "lake"),
        lineage_namespace="throwaway",
        timezone="Europe/Vienna",
        nightly="0 4 * * *",
        timezone_of=lambda _: "Europe/Vienna",
        windows_of=lambda _: (),
        retries=SimpleNamespace(tries=2, first_delay_s=0.2, max_delay_s=0.4),
        platforms={p: SimpleNamespace(schedule="0 2 * * *", writers=2) for p in PLATFORMS},
        jobs=found,
        job=lambda name: next(job for job in found if job.name == name),
        contract=lambda _: None,
        datasets={
            name: SimpleNamespace(
                name=name, contract=contract if name == "golden/contacts" else None
            )
            for name in names
        },
    )


def read(root: Path, dataset: str) -> dict[str, Any]:
    place = root / "lake" / f"{dataset.replace('/', '.')}.json"
    if not place.exists():
        return {"version": -1, "content": 0, "cursors": {}}
    return json.loads(place.read_text())


def write(root: Path, dataset: str, value: dict[str, Any]) -> None:
    place = root / "lake" / f"{dataset.replace('/', '.')}.json"
    place.parent.mkdir(exist_ok=True)
    scratch = place.with_suffix(".tmp")
    scratch.write_text(json.dumps(value))
    scratch.replace(place)


def behaviour(root: Path) -> dict[str, str]:
    place = root / "behaviour.json"
    return json.loads(place.read_text()) if place.exists() else {}


class Throwaway(Engine):
    def root(self, dag_file: str | Path) -> Path:
        return Path(dag_file).resolve().parents[1]

    def project(self, root: Path) -> Any:
        return project(root)

    def run(self, project: Any, attempt: Any, *, tell: Any, options: Any) -> Any:
        job = project.job(attempt.job)
        _misbehave(project.root, attempt)
        tell(SimpleNamespace(done=1, total=1, unit="records"))
        with (project.root / "runs.jsonl").open("a") as file:
            file.write(json.dumps({"job": job.name, "try": attempt.try_number, **options}) + "\n")
        if job.platform:
            attempt.effort.add(Effort(calls=3, retries=1, throttled_s=0.5, batch_s=0.25))
        published = _publish(project.root, job)
        facts = {}
        if job.step == "plan" and published[0].outcome == "written":
            facts = {"chunks": 2, "withdrawals": behaviour(project.root).get("withdrawals", 0)}
        return Result(job.step, job.platform, published, facts=facts)

    def record(self, project: Any, incidents: Any) -> None:
        place = project.root / "incidents.json"
        known = json.loads(place.read_text()) if place.exists() else {}
        for one in incidents:
            known.setdefault(one.marker, one.to_json())
        place.write_text(json.dumps(known))

    def untold(self, project: Any) -> bool:
        return (project.root / "incidents.json").exists()

    def alert(self, project: Any) -> int:
        with (project.root / "alerts.txt").open("a") as file:
            file.write("one\n")
        return 1

    def behind(self, project: Any) -> tuple[str, ...]:
        return tuple(
            job.name
            for job in project.jobs
            if job.step not in ("extract", "publish", "deliver") and _news(project.root, job)
        )


def _news(root: Path, job: Job) -> bool:
    cursors = read(root, job.writes[0])["cursors"]
    return any(read(root, name)["version"] > cursors.get(name, -1) for name in job.reads)


def _publish(root: Path, job: Job) -> tuple[Published, ...]:
    inputs = {name: read(root, name) for name in job.reads}
    content = max((one["content"] for one in inputs.values()), default=0)
    if job.step == "extract":
        content = json.loads((root / "source.json").read_text())[job.platform]
    news, done = _news(root, job), []
    for name in job.writes:
        before = read(root, name)
        cursors = {**before["cursors"], **{key: one["version"] for key, one in inputs.items()}}
        moved = content != before["content"] or (name in job.feedback and news)
        if moved:
            after = {"version": before["version"] + 1, "content": content, "cursors": cursors}
        else:
            after = {**before, "cursors": cursors}
        write(root, name, after)
        outcome = "written" if moved else "unchanged"
        done.append(Published(name, after["version"], outcome))
    return tuple(done)


def _misbehave(root: Path, attempt: Any) -> None:
    how = behaviour(root).get(attempt.job)
    if how == "terminal":
        from concord.errors import PlatformRefused

        raise PlatformRefused(attempt.job, "no rights", "403")
    if how == "foreign":
        raise ValueError("jane.doe@example.org is no number")
    if how == "once" and attempt.try_number == 1:
        from concord.errors import PlatformDown

        raise PlatformDown(attempt.job, "no answer")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        (root / "hanging").touch()
        time.sleep(60)
    if how == "kill the worker" and not (root / "killed").exists():
        (root / "killed").touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


def __getattr__(name: str) -> Any:
    if name != "ThrowawayOperator":
        raise AttributeError(name)
    from concord.airflow.operators import StepOperator

    made = type(name, (StepOperator,), {"engine": Throwaway(), "__module__": __name__})
    globals()[name] = made
    return made
