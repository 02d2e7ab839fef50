"""The datasets and jobs that follow from a project's declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from concord.assets.dataset import ContractRef, Dataset
from concord.assets.subscription import SubscriptionDeclaration
from concord.contracts.document import Contract
from concord.platforms.declaration import PlatformDeclaration

__all__ = [
    "CARE",
    "CONSENTS",
    "CROSSWALK",
    "GOLDEN",
    "LEFTOVERS",
    "Job",
    "contract_for",
    "datasets_of",
    "jobs_of",
    "main_dataset",
    "teams_in_order",
]

CONSENTS = "people/consents"
CROSSWALK = "people/crosswalk"
GOLDEN = "golden/contacts"
CARE = ("maintain", "freshness")
"""Jobs that look after datasets and make none."""

LEFTOVERS = "leftovers"
"""What maintenance calls the scratch files of killed tries, beside the datasets."""


@dataclass(frozen=True, slots=True)
class Job:
    """One step at work: what Airflow runs as a task, tests as a function call.

    Attributes:
        name: ``clean.crm``, or the step's own name where no platform is meant.
        reads: datasets it opens at pinned versions.
        writes: datasets it publishes.
        feedback: those of *writes* that lie upstream of it.
    """

    name: str
    step: str
    platform: str | None
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    feedback: tuple[str, ...] = ()


def main_dataset(job: Job) -> str | None:
    """The dataset that a job is there for: the last it writes that is no feedback."""
    return next((one for one in reversed(job.writes) if one not in job.feedback), None)


def contract_for(contracts: Mapping[str, Contract], dataset: str) -> Contract | None:
    """The contract that names *dataset*, or else the one whose pattern (``clean/*``) fits it."""
    family = dataset.rsplit("/", 1)[0] + "/*"
    return contracts.get(dataset) or contracts.get(family)


def _all(kind: str, platforms: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{kind}/{name}" for name in platforms)


def jobs_of(
    platforms: Mapping[str, PlatformDeclaration],
    subscriptions: Mapping[str, SubscriptionDeclaration],
) -> tuple[Job, ...]:
    """Every job of a project, upstream first."""
    names = sorted(platforms)
    jobs = [Job(f"extract.{p}", "extract", p, (), (f"raw/{p}",)) for p in names]
    jobs.append(
        Job("consent", "consent", None, _all("raw", names), ("quarantine/consents", CONSENTS))
    )
    jobs += [
        Job(f"clean.{p}", "clean", p, (f"raw/{p}",), (f"quarantine/{p}", f"clean/{p}"))
        for p in names
    ]
    clean = _all("clean", names)
    jobs.append(Job("resolve", "resolve", None, clean, (CROSSWALK,)))
    jobs.append(
        Job(
            "survivorship",
            "survivorship",
            None,
            (*clean, CROSSWALK, CONSENTS),
            ("quarantine/golden", GOLDEN),
        )
    )
    for p in names:
        if platforms[p].direction != "in":
            jobs += _sync_jobs(p)
    for team in teams_in_order(subscriptions):
        declared = subscriptions[team]
        jobs.append(
            Job(f"publish.{team}", "publish", None, (declared.dataset,), _published(declared))
        )
    jobs += [Job(name, name, None, (), ()) for name in CARE]
    return tuple(jobs)


def teams_in_order(subscriptions: Mapping[str, SubscriptionDeclaration]) -> tuple[str, ...]:
    """Subscribing teams; one that subscribes to another's dataset comes after it.

    Raises:
        CycleError: teams wait for each other in a ring.
    """
    makers = {one.publishes: team for team, one in subscriptions.items() if one.publishes}
    waits = {
        team: {makers[one.dataset]} if one.dataset in makers else set()
        for team, one in sorted(subscriptions.items())
    }
    return tuple(TopologicalSorter(waits).static_order())


def _sync_jobs(p: str) -> list[Job]:
    plan, receipts, base = f"sync/{p}/plan", f"sync/{p}/receipts", f"sync/{p}/base"
    reads = (GOLDEN, CROSSWALK, CONSENTS, f"clean/{p}", f"raw/{p}", base, receipts)
    return [
        Job(f"plan.{p}", "plan", p, reads, (plan,)),
        Job(f"deliver.{p}", "deliver", p, (plan,), (receipts,)),
        Job(f"acknowledge.{p}", "acknowledge", p, (receipts,), (base, f"raw/{p}"), (f"raw/{p}",)),
    ]


def _published(declared: SubscriptionDeclaration) -> tuple[str, ...]:
    return (declared.publishes,) if declared.publishes else ()


_KEYS = {"quarantine": "record_id", "raw": "record_id", "clean": "record_id"}
_OPS = {
    "ops/runs": "run_step",
    "ops/incidents": "incident_id",
    "ops/subscriptions": "team",
    "ops/project": "name",
}
_UNHASHED = {"raw": ("version", "modified_at"), "quarantine": ("seen_at",)}
_STATS = {"clean": ("record_id", "updated_at"), "golden": ("person_id", "updated_at")}


def datasets_of(
    platforms: Mapping[str, PlatformDeclaration],
    subscriptions: Mapping[str, SubscriptionDeclaration],
    contracts: Mapping[str, Contract],
) -> dict[str, Dataset]:
    """Every dataset of a project by name; a dataset's inputs are what its job reads."""
    found: dict[str, Dataset] = {}
    for job in jobs_of(platforms, subscriptions):
        for name in job.writes:
            known = found.get(name)
            feedback = _feedback(job, name)
            inputs = tuple(one for one in job.reads if one not in feedback)
            if known is not None:
                inputs, feedback = (*known.inputs, *inputs), (*known.feedback, *feedback)
            found[name] = _dataset(name, inputs, feedback, contracts)
    for name in _OPS:
        found[name] = _dataset(name, (), (), contracts)
    return found


def _feedback(job: Job, name: str) -> tuple[str, ...]:
    """Those of the job's inputs that lie downstream of *name*."""
    if name in job.feedback:
        return job.reads
    return tuple(one for one in job.reads if job.step == "plan" and one.startswith("sync/"))


def _dataset(
    name: str,
    inputs: tuple[str, ...],
    feedback: tuple[str, ...],
    contracts: Mapping[str, Contract],
) -> Dataset:
    contract = contract_for(contracts, name)
    family = name.split("/", 1)[0]
    key = contract.key if contract else _OPS.get(name) or _code_key(name, family)
    append_only = name.endswith("/receipts") or name == "ops/runs"
    return Dataset(
        name=name,
        key=key,
        inputs=inputs,
        feedback=feedback,
        contract=ContractRef(contract.id, contract.version, contract.sha256) if contract else None,
        append_only=append_only,
        feed=family != "ops",
        stats=_STATS.get(family, (_counted(contract, key),)),
        unhashed=_UNHASHED.get(family, ()),
    )


def _counted(contract: Contract | None, key: str) -> str:
    """The column whose minimum and maximum stand in the log: the key only where it is an id.

    A team may key its dataset by an e-mail address.
    """
    role = contract.column(key).role if contract else "record_id"
    return key if role in ("person_id", "record_id") or key == "consent_id" else "_row_hash"


def _code_key(name: str, family: str) -> str:
    if family == "sync":
        return "record_id" if name.endswith("/base") else "op_id"
    return _KEYS.get(family, "record_id")
