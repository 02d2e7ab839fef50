"""What `concord.yaml` says."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Alerts", "Override", "Retention", "Retries", "Settings"]

Delivery = Literal["off", "approve", "auto"]
Windows = Literal["keep", "ignore"]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Retries(_Declared):
    """How often a task is tried, and how long it waits: doubling, with jitter."""

    tries: int = Field(default=4, ge=1)
    first_delay_s: float = Field(default=60, ge=0)
    max_delay_s: float = Field(default=1800, ge=0)


class Retention(_Declared):
    """How long things are kept that nobody needs any more, in days.

    Attributes:
        versions_days: old versions of datasets, and files that no version has.
        receipts_days: what became of operations, once it is taken in.
    """

    versions_days: int = Field(default=30, ge=7)
    receipts_days: int = Field(default=180, ge=7)


class Alerts(_Declared):
    """When a run that did not fail is worth an alert, and who hears of it.

    Attributes:
        connection: Airflow connection of type smtp or apprise; without it nobody is told.
        least_runs: runs of a step before one is compared with them.
        deviations: how many (robust) standard deviations from the usual are odd.
        volume_share: least difference, as a share of the records that a platform usually holds.
        volume_rows: least difference, in records.
        slow_s: least delay, in seconds.
        rejected_share: share of a contract's maxQuarantineRatio.
        rejected_rows: least rows in quarantine.
    """

    connection: str = "concord_alerts"
    least_runs: int = Field(default=5, ge=3, le=15)
    deviations: float = Field(default=5, gt=0)
    volume_share: float = Field(default=0.3, ge=0)
    volume_rows: int = Field(default=50, ge=0)
    slow_s: float = Field(default=60, ge=0)
    rejected_share: float = Field(default=0.5, gt=0, le=1)
    rejected_rows: int = Field(default=20, ge=1)


class Override(_Declared):
    """What an environment sets otherwise."""

    lake: str | None = None
    lake_connection: str | None = None
    delivery: Delivery | None = None
    windows: Windows | None = None
    retries: Retries | None = None
    nightly: str | None = None
    alerts: Alerts | None = None


class Settings(_Declared):
    """The project's settings.

    Attributes:
        lake: folder (relative to the project) or ``s3://…`` that holds every table.
        lake_connection: Airflow connection with the object store's credentials; none for a folder.
        region: ISO country of national phone numbers, where a platform does not say otherwise.
        record_key: Airflow connection whose password keys every hash.
        nightly: cron expression at which consumers look for work that no event announced.
        maintenance: cron expression at which old versions and leftovers are removed.
        freshness: cron expression at which datasets are looked at for being late.
        delivery: what platforms do that do not say otherwise.
        windows: ``ignore`` writes to every platform at any time.
    """

    name: str = Field(pattern="^[a-z0-9][a-z0-9_-]*$")
    lake: str = ".concord/lake"
    lake_connection: str | None = None
    timezone: str = "UTC"
    region: str = Field(default="US", pattern="^[A-Z]{2}$")
    lineage_namespace: str = "concord"
    record_key: str = "concord_record_key"
    nightly: str = "0 4 * * *"
    maintenance: str = "0 1 * * *"
    freshness: str = "*/15 * * * *"
    retention: Retention = Retention()
    delivery: Delivery = "approve"
    windows: Windows = "keep"
    retries: Retries = Retries()
    alerts: Alerts = Alerts()
    environments: dict[str, Override] = Field(default_factory=dict)
