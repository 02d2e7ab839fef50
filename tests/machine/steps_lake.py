"""The shipped steps over real Delta tables, run as one process that may be killed anywhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from lake_view import LakeView
from simulated_platform import Clock, Down, Options, Platform
from simulated_remote import Killed

from concord.assets import snapshot
from concord.assets.commit import RunId
from concord.assets.table import Lake
from concord.errors import PlatformDown
from concord.jobs import Job, datasets_of, jobs_of
from concord.platforms.base import Operation
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.project import Project
from concord.steps import alarms, runs
from concord.steps.approve import approve
from concord.steps.context import Context, Result
from concord.steps.registry import run_step
from concord.steps.rounds import Run, run_to_rest

AUDIENCES = {"all": "person_id is not null", "existing": "existing", "consent": "email_marketing"}


@dataclass(frozen=True, slots=True)
class ReadableContext(Context):
    """Record ids are the platforms' own, so that a trace can be read."""

    def record_id(self, platform: str, remote_id: str) -> str:
        return remote_id


class StepsLake(LakeView):
    """Runs steps over a lake of its own; every commit is a place to be killed at."""

    def __init__(
        self, template: Context, folder: Path, platforms: Mapping[str, Platform], clock: Clock
    ) -> None:
        super().__init__(tuple(platforms))
        self.platforms = platforms
        self.clock = clock
        self.mapped = ["name", "phone"]
        self.approving: Callable[[str], None] = lambda _name: None
        self.snapshots = 0
        self.killed_after: int | None = None  # commits until the process is killed
        self.doubt_after: int | None = None  # batches until it is killed between answer and receipt
        self.midway_at = "plan"
        self.run_no = 0
        self._folder = folder
        self._template = template
        self._projects: dict[tuple[str, ...], Project] = {}
        shutil.copytree(template.lake.root, folder)

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    @property
    def ctx(self) -> Context:
        columns = tuple(self.mapped)
        if columns not in self._projects:
            self._projects[columns] = declared(self._template.project, self._options(), columns)
        return ReadableContext(
            project=self._projects[columns],
            run=RunId("test/none/-1", "test"),
            lake=Lake(str(self._folder)),
            record_key=self._template.record_key,
            connect=self._connection,
            now=self.clock.tick,
            tell=lambda _: None,
        )

    def _options(self) -> dict[str, Options]:
        return {name: one.options for name, one in self.platforms.items()}

    def _connection(self, name: str) -> Connection:
        platform = self.platforms[name]

        def sending(op: Operation) -> None:
            self.forget()
            platform.watch(platform, self.planned(name, op.op_id))

        return Connection(
            name, extra={"platform": platform, "sending": sending, "sent": self._doubtful}
        )

    # killed on the way
    def _point(self) -> None:
        if self.killed_after is not None:
            self.killed_after -= 1
            if self.killed_after <= 0:
                self.killed_after = None
                raise Killed

    def _doubtful(self) -> None:
        if self.doubt_after is not None:
            self.doubt_after -= 1
            if self.doubt_after <= 0:
                self.doubt_after = None
                raise Killed

    @contextmanager
    def _mortal(self) -> Iterator[None]:
        """The process is killed right after a commit, if it is to be."""
        commit = snapshot.committed

        def committed(*arguments: Any) -> bool:
            landed = commit(*arguments)
            self._point()
            return landed

        record_run = runs.record_run

        def recorded(ctx: Context, result: Result, *figures: Any, **more: Any) -> list[Any]:
            if result.step == "extract":  # nothing here reads what the others did
                record_run(ctx, result, *figures, **more)
            return []

        self.forget()
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(snapshot, "committed", committed)
                patch.setattr(runs, "record_run", recorded)
                patch.setattr(alarms, "watch", lambda *_: None)  # nobody is on call here
                yield
        finally:
            self.forget()

    # whole runs
    def run(
        self,
        sweep: bool = False,
        approve: bool = True,
        midway: Callable[[], None] = lambda: None,
    ) -> None:
        """Every step until nothing moves, and what was approved."""
        met = False

        def before(job: Job) -> None:
            nonlocal met
            if job.step == self.midway_at and not met:
                met = True
                self.forget()
                midway()

        reading = {"full_refresh": True} if sweep else {}
        self._to_rest(reading=reading, before=before)
        if not met:
            midway()
        waiting = [name for name in self.platforms if approve and self._waits(name)]
        for name in waiting:
            self.approve(name)
        if waiting:
            self._to_rest(skip=["extract"])

    def _to_rest(self, **options: Any) -> Run:
        self.run_no += 1
        with self._mortal():
            done = run_to_rest(self.ctx, f"run-{self.run_no}", **options)
        for error in done.failed.values():
            if not isinstance(error, PlatformDown):
                raise error
        self.snapshots += sum(not name.startswith("ops/") for name in done.snapshots)
        return done

    def _waits(self, name: str) -> bool:
        return any(op.state == "pending" for op in self.plans[name].ops)

    def approve(self, name: str) -> None:
        self.approving(name)
        approve(self.ctx, name)
        self.forget()

    # single steps
    def step(self, step: str, name: str | None = None, *, try_number: int = 1) -> None:
        """One step by itself; a second try carries on the last whole run."""
        self.run_no += try_number == 1
        task = f"{name or step}/run-{self.run_no}.1/{step}/-1"
        ctx = replace(self.ctx, run=RunId(task, step, try_number=try_number))
        with self._mortal():
            try:
                run_step(step, ctx, platform=name)
            except PlatformDown:
                raise Down from None

    def extract(self, name: str) -> None:
        self.step("extract", name)

    def cleaned(self, name: str) -> None:
        self.step("clean", name)

    def consent(self) -> None:
        self.step("consent")

    def resolve(self) -> None:
        self.step("resolve")

    def survivorship(self) -> None:
        self.step("survivorship")

    def plan(self, name: str) -> None:
        self.step("plan", name)

    def deliver(self, name: str) -> None:
        self.step("deliver", name)

    def acknowledge(self, name: str) -> None:
        self.step("acknowledge", name)


def declared(pattern: Project, options: Mapping[str, Options], columns: tuple[str, ...]) -> Project:
    """The project with these platforms, each mapped with these columns."""
    one = pattern.platforms["pattern"]
    platforms = {name: _platform(one, name, each, columns) for name, each in options.items()}
    survivorship = pattern.people.survivorship.model_copy(update={"prefer": tuple(options)})
    return replace(
        pattern,
        platforms=platforms,
        people=pattern.people.model_copy(update={"survivorship": survivorship}),
        datasets=datasets_of(platforms, {}, pattern.contracts),
        jobs=jobs_of(platforms, {}),
    )


def _platform(
    pattern: PlatformDeclaration, name: str, options: Options, columns: tuple[str, ...]
) -> PlatformDeclaration:
    fields = {column: pattern.fields[column] for column in (*columns, "emails")}
    if not options.many:
        fields["emails"] = {"from": "EMAILS", "preferred": True}
    [claim] = pattern.consents
    return PlatformDeclaration.model_validate(
        {
            **pattern.model_dump(by_alias=True),
            "kind": "memory" if options.many else "memory_slot",
            "connection": name,
            "fields": fields,
            "purpose": "marketing" if options.audience == "consent" else "customer_care",
            "audience": AUDIENCES[options.audience],
            "delivery": "approve" if options.approve else "auto",
            "consents": [
                claim if options.dated else claim.model_copy(update={"at": None}),
            ],
        }
    )
