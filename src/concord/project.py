"""A project: the folders people edit, read into one frozen value.

``contracts/``, ``assets/``, ``lineage/``, ``dags/`` and ``concord.yaml`` are a project. Every fault
in them is found before anything runs, and told with file and line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from concord.assets.dataset import Dataset
from concord.assets.subscription import SubscriptionDeclaration
from concord.contracts.document import Contract, read_contract
from concord.dag_faults import dag_faults
from concord.errors import Fault, ProjectFaults, UsageError
from concord.identity.declaration import People
from concord.jobs import Job, contract_for, datasets_of, jobs_of
from concord.model_faults import model_faults
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.window import Opening, Window, is_open, opening
from concord.privacy.declaration import Processing
from concord.project_faults import Declared, cross_faults
from concord.project_files import File, digests_of, read_files
from concord.settings import Alerts, Retention, Retries, Settings

__all__ = [
    "Project",
    "find_root",
    "load",
    "record_key_file",
    "resolve",
    "state_folder",
    "write_resolved",
]

_Model = TypeVar("_Model", bound=BaseModel)
_RESOLVED = Path(".concord") / "project.json"


@dataclass(frozen=True, slots=True)
class Project:
    """Everything that is declared, checked and resolved.

    Attributes:
        root: the project's folder.
        lake: absolute folder, or ``s3://…``.
        contracts: by dataset name or pattern (``clean/*``).
        jobs: upstream first.
        digests: sha256 of every declared file, by its path in the project.
    """

    root: Path
    name: str
    environment: str
    lake: str
    lake_connection: str | None
    timezone: str
    region: str
    lineage_namespace: str
    record_key: str
    nightly: str
    maintenance: str
    freshness: str
    retention: Retention
    delivery: str
    windows: str
    retries: Retries
    alerts: Alerts
    platforms: Mapping[str, PlatformDeclaration]
    people: People
    contracts: Mapping[str, Contract]
    subscriptions: Mapping[str, SubscriptionDeclaration]
    processing: Processing
    datasets: Mapping[str, Dataset]
    jobs: tuple[Job, ...]
    digests: Mapping[str, str]

    def contract(self, dataset: str) -> Contract | None:
        """The contract of *dataset*, by name or by pattern; None where code declares the schema."""
        return contract_for(self.contracts, dataset)

    def job(self, name: str) -> Job:
        """The job called *name*."""
        return next(job for job in self.jobs if job.name == name)

    def platform(self, name: str) -> PlatformDeclaration:
        """The declared platform called *name*."""
        if name not in self.platforms:
            known = ", ".join(sorted(self.platforms)) or "none"
            raise UsageError(f"there is no platform of that name in assets/platforms ({known})")
        return self.platforms[name]

    def delivers(self, platform: str) -> str:
        """``off``, ``approve`` or ``auto``."""
        return self.platforms[platform].delivery or self.delivery

    def timezone_of(self, platform: str) -> str:
        """The time zone of a platform's schedule and windows."""
        return self.platforms[platform].timezone or self.timezone

    def windows_of(self, platform: str) -> tuple[Window, ...]:
        """When the platform may be written to; empty for always."""
        return () if self.windows == "ignore" else self.platforms[platform].window

    def is_open(self, platform: str, now: datetime) -> bool:
        """Whether the platform may be written to."""
        return is_open(self.windows_of(platform), ZoneInfo(self.timezone_of(platform)), now)

    def opening(self, platform: str, now: datetime) -> Opening:
        """Whether the platform may be written to, and until when that is so."""
        return opening(self.windows_of(platform), ZoneInfo(self.timezone_of(platform)), now)


def find_root(start: Path | None = None) -> Path:
    """The project meant: CONCORD_PROJECT, else the folder above *start* with a concord.yaml.

    Raises:
        UsageError: there is none.
    """
    named = os.environ.get("CONCORD_PROJECT")
    if named:
        return _checked_root(Path(named))
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "concord.yaml").is_file():
            return folder
    return _checked_root(here)


def _checked_root(folder: Path) -> Path:
    if not (folder / "concord.yaml").is_file():
        raise UsageError(
            f"{folder}: there is no concord.yaml; name a project with --project or CONCORD_PROJECT"
        )
    return folder.resolve()


def load(root: Path, environment: str | None = None) -> Project:
    """Read and check the project in *root*.

    Args:
        root: folder that holds ``concord.yaml``.
        environment: one of the file's environments; None takes CONCORD_ENV, else none.

    Raises:
        ProjectFaults: with every fault, its file and line.
    """
    files, digests, faults = read_files(root)
    return _build(root, files, digests, environment, faults)


def _build(
    root: Path,
    files: list[File],
    digests: Mapping[str, str],
    environment: str | None,
    faults: list[Fault] | None,
) -> Project:
    """The project that *files* declare.

    Args:
        faults: what is known to be wrong; None where the files were checked before.
    """
    lint = faults is not None
    faults = faults or []
    by_path = {file.path: file for file in files}
    settings = _model(Settings, by_path.get("concord.yaml"), faults)
    people = _model(People, by_path.get("assets/people.yaml"), faults)
    processing = _model(Processing, by_path.get("lineage/processing.yaml"), faults)
    platforms = _models(PlatformDeclaration, files, "assets/platforms/", faults)
    subscriptions = _models(SubscriptionDeclaration, files, "contracts/subscriptions/", faults)
    contracts = _contracts(files, faults, lint=lint)
    if faults or settings is None or people is None or processing is None:
        raise ProjectFaults(tuple(sorted(set(faults))))
    chosen = environment or os.environ.get("CONCORD_ENV") or ""
    project = _project(root, _in_environment(settings, chosen), chosen, people, processing)
    project = replace(
        project,
        platforms=platforms,
        subscriptions=subscriptions,
        contracts=contracts,
        digests=dict(digests),
    )
    if lint:
        lines = {file.path: file.line_of for file in files}
        faults = cross_faults(
            Declared(settings, platforms, subscriptions, contracts, people, processing, lines)
        )
        faults += dag_faults(root, subscriptions)
        if faults:
            raise ProjectFaults(tuple(sorted(set(faults))))
    return replace(
        project,
        datasets=datasets_of(platforms, subscriptions, contracts),
        jobs=jobs_of(platforms, subscriptions),
    )


def _project(
    root: Path, settings: Settings, environment: str, people: People, processing: Processing
) -> Project:
    lake = settings.lake
    return Project(
        root=root,
        name=settings.name,
        environment=environment,
        lake=lake if "://" in lake else str((root / lake).resolve()),
        lake_connection=settings.lake_connection,
        timezone=settings.timezone,
        region=settings.region,
        lineage_namespace=settings.lineage_namespace,
        record_key=settings.record_key,
        nightly=settings.nightly,
        maintenance=settings.maintenance,
        freshness=settings.freshness,
        retention=settings.retention,
        delivery=settings.delivery,
        windows=settings.windows,
        retries=settings.retries,
        alerts=settings.alerts,
        platforms={},
        people=people,
        contracts={},
        subscriptions={},
        processing=processing,
        datasets={},
        jobs=(),
        digests={},
    )


def _in_environment(settings: Settings, environment: str) -> Settings:
    if not environment:
        return settings
    if environment not in settings.environments:
        known = ", ".join(sorted(settings.environments)) or "none"
        raise UsageError(
            f"concord.yaml declares no environment of the name in CONCORD_ENV or --env ({known})"
        )
    override = settings.environments[environment].model_dump(exclude_none=True)
    return Settings.model_validate({**settings.model_dump(), **override})


def _model(model: type[_Model], file: File | None, faults: list[Fault]) -> _Model | None:
    if file is None:
        return None
    try:
        return model.model_validate(file.data)
    except ValidationError as error:
        faults += model_faults(error, model, file.data, path=file.path, line_of=file.line_of)
        return None


def _models(
    model: type[_Model], files: list[File], folder: str, faults: list[Fault]
) -> dict[str, _Model]:
    found: dict[str, _Model] = {}
    for file in files:
        if file.path.startswith(folder):
            value = _model(model, file, faults)
            if value is not None:
                found[Path(file.path).stem] = value
    return found


def _contracts(files: list[File], faults: list[Fault], *, lint: bool) -> dict[str, Contract]:
    found: dict[str, Contract] = {}
    for file in files:
        if not file.path.endswith(".odcs.yaml"):
            continue
        if lint:
            from concord.contracts.lint import faults as contract_faults

            wrong = contract_faults(file.data, path=file.path, line_of=file.line_of)
            if wrong:
                faults += wrong
                continue
        contract = read_contract(file.data, source=file.path)
        if contract.dataset in found:
            line = file.line_of(("schema", 0, "physicalName"))
            faults.append(Fault(file.path, line, f"a second contract for {contract.dataset}"))
        found[contract.dataset] = contract
    return found


def state_folder(root: Path) -> Path:
    """The project's folder for everything that is made here, readable by its owner only."""
    folder = root / _RESOLVED.parent
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


def record_key_file(root: Path) -> Path:
    """Where `concord init` leaves a record key for runs on this computer."""
    return root / _RESOLVED.parent / "record_key"


def write_resolved(root: Path) -> Path:
    """Write the checked project, so that Dag files and tasks need not check it again."""
    files, digests, faults = read_files(root)
    if faults:
        raise ProjectFaults(tuple(sorted(faults)))
    documents = {file.path: file.data for file in files}
    target = state_folder(root) / _RESOLVED.name
    text = json.dumps({"digests": digests, "documents": documents}, default=str)
    scratch = target.with_suffix(f".{os.getpid()}.tmp")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, target)
    return target


def resolve(root: Path, environment: str | None = None) -> Project:
    """The project as deployed, checked anew only when one of its files differs."""
    target = root / _RESOLVED
    try:
        stored = json.loads(target.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return load(root, environment)
    now = digests_of(root)
    if not isinstance(stored, dict) or stored.get("digests") != now:
        return load(root, environment)
    files = [File(name, data, lambda _: 0) for name, data in stored["documents"].items()]
    return _build(root, files, now, environment, None)
