"""One message for all that a run opened or closed, and its way out: SMTP or Apprise.

An alert is sent by a thread that nobody waits for longer than a few seconds: whoever receives it
may be slow, wrong or gone, and no run is to notice.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog

from concord.airflow.connections import connect
from concord.errors import ConcordError, MissingConnection, UsageError
from concord.steps.incident_kinds import KINDS
from concord.steps.incident_life import RECOVERED

if TYPE_CHECKING:
    from concord.platforms.connection import Connection
    from concord.steps.incident_life import Incident

__all__ = ["Message", "base_url", "message", "run_link", "send", "way_of"]

WAIT_S = 20.0
_EXTRA = "pip install 'concord-contacts[alerts]'"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """One alert."""

    title: str
    body: str


def message(project: str, incidents: Sequence[Incident], pages: str | None) -> Message:
    """What to tell of *incidents*: what each befell, what to do, where to look.

    Args:
        project: its name.
        pages: address of Airflow's pages; None where there are none.
    """
    over = sum(one.untold == RECOVERED for one in incidents)
    fresh = len(incidents) - over
    counted = []
    if fresh:
        counted.append(f"{fresh} incident{'s' * (fresh != 1)}")
    if over:
        counted.append(f"{over} recovered")
    ordered = sorted(incidents, key=lambda one: (one.untold == RECOVERED, one.at))
    return Message(
        f"Concord {project}: {', '.join(counted)}",
        "\n\n".join(
            _recovered(one) if one.untold == RECOVERED else _opened(one, pages) for one in ordered
        ),
    )


def _opened(one: Incident, pages: str | None) -> str:
    about = ", ".join(part for part in (one.subject, one.dataset, one.error) if part)
    seen = f"seen {one.times} times since {one.at:%Y-%m-%d %H:%M} UTC" if one.times > 1 else ""
    lines = [
        f"{one.kind}: {about}",
        one.message,
        seen,
        f"what to do: {KINDS[one.kind].todo}" if one.kind in KINDS else "",
        f"run: {run_link(one.run, pages)}",
        f"more: concord incident show {one.incident_id}",
    ]
    return "\n  ".join(line for line in lines if line)


def _recovered(one: Incident) -> str:
    times = f"{one.times} time{'s' * (one.times != 1)}"
    return (
        f"recovered: {one.subject}, {one.kind}\n  {one.message}\n"
        f"  seen {times} since {one.at:%Y-%m-%d %H:%M} UTC; nothing to do"
    )


def run_link(run: str, pages: str | None) -> str:
    """Where a run's page is; its own names where there are no pages.

    Args:
        run: ``dag/run/task/map``, as a run's commits carry it.
        pages: address of Airflow's pages.
    """
    parts = run.split("/")
    if not pages or len(parts) != 4:
        return run
    dag, dag_run, task, mapped = parts
    link = f"{pages.rstrip('/')}/dags/{quote(dag)}/runs/{quote(dag_run)}/tasks/{quote(task)}"
    return link if mapped == "-1" else f"{link}/mapped/{mapped}"


def base_url() -> str | None:
    """Address of Airflow's pages as it is configured; None where it has none."""
    from airflow.configuration import conf

    return conf.get("api", "base_url", fallback=None) or None


def way_of(name: str) -> Connection | None:
    """The Airflow connection that alerts go by; None where there is none, so nobody is told."""
    try:
        return connect(name)
    except MissingConnection:
        return None


def send(way: Connection, told: Message, *, wait_s: float = WAIT_S) -> bool:
    """Send an alert; false when it may not have arrived, with the class of the error in the log.

    Args:
        way: of type ``smtp`` or ``apprise``.
        wait_s: how long the caller waits.
    """
    outcome: list[bool] = []
    thread = threading.Thread(
        target=lambda: outcome.append(_sent(way, told)), name="concord-alert", daemon=True
    )
    thread.start()
    thread.join(wait_s)
    if thread.is_alive():
        log.error("alert not sent", connection=way.name, error="no end within the time allowed")
    return outcome == [True]


def _sent(connection: Connection, told: Message) -> bool:
    try:
        way = _WAYS.get(connection.kind)
        if way is None:
            raise UsageError(
                f"the Airflow connection {connection.name!r} is of type {connection.kind!r}; "
                "alerts go by smtp or apprise"
            )
        arrived = way(connection, told)
    except ConcordError as error:
        log.error("alert not sent", connection=connection.name, error=str(error))
        return False
    except Exception as error:
        log.error("alert not sent", connection=connection.name, error=type(error).__name__)
        return False
    if not arrived:
        log.error("alert not sent", connection=connection.name, error="a receiver refused it")
    return arrived


def _mail(connection: Connection, told: Message) -> bool:
    try:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    except ImportError:
        raise UsageError(f"alerts by mail need Airflow's SMTP provider: {_EXTRA}") from None
    to = connection.extra.get("to")
    if not to:
        raise UsageError(
            f"the Airflow connection {connection.name!r} says nobody to mail to; set `to` (an "
            "address, or several with commas) and `from_email` in its extra"
        )
    SmtpNotifier(
        to=to,
        from_email=str(connection.extra.get("from_email") or to),
        subject=told.title,
        html_content=f"<pre>{html.escape(told.body)}</pre>",
        smtp_conn_id=connection.name,
    ).notify({})
    return True


def _apprise(connection: Connection, told: Message) -> bool:
    """Through the provider's hook; its notifier does not say when a receiver refused."""
    try:
        from airflow.providers.apprise.hooks.apprise import AppriseHook
        from apprise import Apprise
    except ImportError:
        raise UsageError(f"alerts by Apprise need Airflow's Apprise provider: {_EXTRA}") from None
    hook, receivers = AppriseHook(connection.name), Apprise()
    hook.set_config_from_conn(hook.get_connection(connection.name), receivers)
    return bool(receivers.notify(title=told.title, body=told.body, tag="all"))


_WAYS: dict[str, Callable[[Connection, Message], bool]] = {"smtp": _mail, "apprise": _apprise}
