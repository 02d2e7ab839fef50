"""No byte of a person in anything that is not declared to hold people, whatever goes wrong.

Canaries stand in valid rows and in rows that break every rule, in what platforms answer when they
refuse, in the exceptions of every library that is called, and in what a team's function returns,
prints and raises. After runs with failures, retries and tracebacks everything that was written is
decoded and searched.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from canaries import Canary, canary, finds
from careless import RAISES
from fault_proxy import says
from http_answers import answer
from leaks import leaks, undeclared
from receiver import Web, web
from rich.console import Console
from test_misbehaving_platforms import between

from concord.airflow.front import RunReport, run_in_front
from concord.project import write_resolved

if TYPE_CHECKING:
    from conftest import World

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(800)]

HERE = Path(__file__).parent
TEAMS = ("airflowskip", "chained", "leaves", "ours", "polarspanic", "unprintable")
NOT_IN_A_RUN = ("publish", "maintain", "freshness")
AS_WRITTEN = {
    "given_name": ("crm", "first_name"),
    "family_name": ("crm", "last_name"),
    "organisation": ("crm", "company"),
    "full_name": ("address_book", "FN"),
}
"""Columns whose line breaks are left alone, so that a contract's patterns have something to do."""
READ = ("raw/crm", "quarantine/crm", "clean/crm", "golden/contacts", "ops/incidents")
LAKE = "lake"
DAG_FILE = '''"""Every Airflow Dag."""

from careless import CarelessOperator

from concord.airflow import render_dags

globals().update(render_dags(__file__, operator=CarelessOperator))
'''
TEAM_FILE = '''"""An Airflow Dag."""

import careless

from concord import subscribe


@subscribe("{team}", __file__)
def {team}(changes, subscription):
    return careless.{call}(careless.quoted(changes))
'''
SUBSCRIPTION = """dataset: golden/contacts
version: ~=1.0
columns: [person_id, full_name, emails, phones]
purpose: customer_care
owner: {team}@example.org
"""
REFUSES = """
create function crm.refuse() returns trigger language plpgsql as $$ begin
  if new.company = 'Refusing' then
    raise unique_violation using
      message = 'no room for ' || new.email || ' ' || new.first_name,
      detail = 'Key (email)=(' || new.email || ') ' || new.phone,
      hint = new.last_name, column = new.first_name, constraint = new.email;
  end if;
  raise notice 'somebody wrote %', new;
  return new;
end $$;
create trigger refuse before update on crm.contact for each row execute function crm.refuse();
"""


def in_the_crm(world: World, one: Canary, **wrong: Any) -> None:
    right = {
        "first_name": one.given,
        "last_name": one.family,
        "email": one.email,
        "phone": one.phone,
        "company": f"{one.given} GmbH",
        "country": "AT",
    }
    world.crm.add(**right | wrong)


def in_the_book(world: World, one: Canary, *lines: str, name: str = "") -> None:
    right = (f"EMAIL;TYPE=WORK:{one.email}", f"TEL;TYPE=CELL:{one.phone}", f"ORG:{one.given}")
    world.book.add(name or one.word, one.given, one.family, *right, *lines)


def subscribed(one: Canary, **wrong: str) -> str:
    at = "2024-02-01T00:00:00+00:00"
    right = {
        "id": f"N-{one.word}",
        "email": one.email,
        "given": one.given,
        "family": one.family,
        "language": "de",
        "status": "subscribed",
        "since": at,
        "changed": at,
        "crm_ref": "",
        "campaign": "",
    }
    return ";".join((right | wrong).values())


LONG = "x" * 300


def crm(**wrong: Any) -> Callable[[Canary], dict[str, Any]]:
    """What is wrong with somebody's row; texts are filled with that person's words."""
    return lambda one: {
        name: value.format(one=one, LONG=LONG) if isinstance(value, str) else value
        for name, value in wrong.items()
    }


IN_THE_CRM = {
    "good": crm(),
    "bademail": crm(email="{one.word} at home"),
    "longemail": crm(email="{one.word}{LONG}@x.example"),
    "noemail": crm(email="  @{one.word}"),
    "badphone": crm(phone="ask {one.word}"),
    "longphone": crm(phone="{one.phone}{one.phone}{one.phone}{one.phone}{LONG}"),
    "longgiven": crm(first_name="{one.given}{LONG}"),
    "longfamily": crm(last_name="{one.given}{LONG}"),
    "longcompany": crm(company="{one.given}{LONG}"),
    "longtitle": crm(job_title="{one.given}{LONG}"),
    "longstreet": crm(street="{one.given}{LONG}"),
    "longcity": crm(city="{one.given}{LONG}"),
    "longzip": crm(zip="{one.given}{LONG}"),
    "badgiven": crm(first_name="{one.given}\n{one.given}"),
    "badfamily": crm(last_name="{one.given}\n{one.given}"),
    "badcompany": crm(company="{one.given}\n{one.given}"),
    "badtitle": crm(job_title="{one.given}\n{one.given}"),
    "badstreet": crm(street="{one.given}\n{one.given}"),
    "badcity": crm(city="{one.given}\n{one.given}"),
    "badzip": crm(zip="1\n{one.digits}"),
    "badcountry": crm(country="{one.given}"),
    "badlanguage": crm(language="{one.given}"),
    "borntooearly": crm(born_on="1800-01-01"),
    "borntoolate": crm(born_on="2999-01-01"),
    "madetooearly": crm(created_at="1800-01-01T00:00:00Z"),
    "updatedtooearly": crm(updated_at="1700-01-01T00:00:00Z"),
    "nobody": crm(
        first_name=None, last_name=None, email=None, phone=None, company=None, remarks="{one.text}"
    ),
    "undated": crm(opt_in=True, opt_in_at=None),
    "refused": crm(),
}
IN_THE_BOOK = {
    "bookgood": ("NOTE:{one.text}",),
    "twoemails": ("EMAIL;TYPE=PREF:one.{one.email}", "EMAIL;TYPE=PREF:two.{one.email}"),
    "twophones": ("TEL;TYPE=PREF:{one.phone}", "TEL;TYPE=PREF:{one.phone}1"),
    "longregion": ("ADR:;;;;{one.given}{LONG};;",),
    "badregion": ("ADR:;;;;{one.given}\\n{one.given};;",),
    "badborn": ("BDAY:{one.word}",),
    "unreadable": ("{one.word} no property", "=\x00:;:"),
}
IN_THE_NEWSLETTER: dict[str, dict[str, str]] = {
    "newsgood": {},
    "newsnoid": {"id": ""},
    "newsundated": {"since": ""},
    "newsbadstate": {"status": canary("newsbadstate").word},
    "newsbadinstant": {"since": canary("newsbadinstant").word},
    "newsbadchange": {"changed": canary("newsbadchange").word},
    "newsbadcreated": {"campaign": canary("newsbadcreated").text},
    "newslongid": {"id": canary("newslongid").word + LONG * 4},
}
OUT_OF_REACH = {
    "record_id": "Concord makes it",
    "remote_id.readable": "every connector gives text",
    "remote_id.min_length": "no id at all is `required`",
    "street.pattern": "blank text is no value",
    "emails.type": "the connectors know a few types and say no other",
    "phones.type": "the connectors know a few types and say no other",
    "emails.value.required": "an element without a value is none",
    "phones.value.required": "an element without a value is none",
    "updated_at": "no platform maps it",
}


def plant(world: World) -> None:
    """Canaries everywhere."""
    for spot, wrong in IN_THE_CRM.items():
        in_the_crm(world, canary(spot), **wrong(canary(spot)))
    for spot, lines in IN_THE_BOOK.items():
        one = canary(spot)
        in_the_book(world, one, *(line.format(one=one, LONG=LONG) for line in lines))
    twin = canary("newstwin")
    world.newsletter.write(
        *(subscribed(canary(spot), **wrong) for spot, wrong in IN_THE_NEWSLETTER.items()),
        subscribed(twin),
        subscribed(twin, email=f"other.{twin.email}"),
    )
    for spot, joint in (("longname", LONG), ("badname", "\\n")):
        one = canary(spot)
        world.book.add(one.word, f"{one.given}{joint}{one.given}", one.family)
    both = canary("refused")
    in_the_book(world, both, "TITLE:Chef", name="refused")
    world.crm.edit(both.email, company="Refusing")
    world.crm.execute(REFUSES)


def with_teams(world: World) -> None:
    """The project for Airflow: billing, and teams whose functions are careless."""
    (world.root / "dags").mkdir()
    teams = {"teller": "prints"} | {f"team_{name}": f"RAISES['{name}']" for name in TEAMS}
    names = "".join(f", 'subscription:{team}'" for team in teams)
    old = "'subscription:billing'"
    world.edit_file("lineage/processing.yaml", old, old + names)
    for team, call in teams.items():
        place = world.root / "contracts" / "subscriptions" / f"{team}.yaml"
        place.write_text(SUBSCRIPTION.format(team=team))
        dag_file = world.root / "dags" / f"{team}.py"
        dag_file.write_text(TEAM_FILE.format(team=team, call=call))
    billing = HERE.parents[1] / "dags" / "billing.py"
    (world.root / "dags" / "billing.py").write_bytes(billing.read_bytes())
    world.edit_file("contracts/clean.odcs.yaml", "value: 0.2", "value: 1.0")
    for column, (platform, native) in AS_WRITTEN.items():
        new = f"  {column}: {{from: {native}, normalise: text}}"
        world.edit_file(f"assets/platforms/{platform}.yaml", f"  {column}: {native}", new)
    joined = "  created_at: {from: campaign, write: false}"
    old = "  language: language"
    world.edit_file("assets/platforms/newsletter.yaml", old, f"{old}\n{joined}")
    world.for_airflow(DAG_FILE)


def careless(world: World, place: Path) -> None:
    """Inside every step an exception of some library, before its first commit."""
    jobs = [job.name for job in world.ctx.project.jobs if job.step not in NOT_IN_A_RUN]
    kinds = [name for name in RAISES if not name.startswith("ours")]
    told = [
        {
            "point": {"job": job, "kind": "commit", "when": "before"},
            "raises": kinds[number % len(kinds)],
            "text": canary("inside").text,
        }
        for number, job in enumerate(jobs)
    ]
    place.write_text(json.dumps(told))


def damage(world: World) -> None:
    """Nothing can be read or published any more, and what is there says whose it is."""
    who = canary("damaged")
    world.newsletter.file.write_text(f'N-1;"{who.text}\n\n;;{who.email};"x"{who.word};\n')
    world.crm.execute("alter table crm.contact rename to people")
    world.crm.execute("alter table crm.people rename column zip to postcode")
    world.crm.execute(
        "create view crm.contact as select *, (first_name || email)::int::text as zip "
        "from crm.people"
    )
    world.edit_file("contracts/clean.odcs.yaml", "value: 1.0", "value: 0.0")
    world.deploy()
    write_resolved(world.root)


@dataclass
class After:
    """What the runs left behind.

    Attributes:
        said: what they said on the terminal.
        left: temporary files.
        reports: one a run.
        metrics: what StatsD was sent.
        alerts: what was posted.
    """

    world: World
    said: str
    left: list[str]
    reports: list[RunReport]
    environment: dict[str, str]
    metrics: bytes
    alerts: str


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory, empty_world: Callable[[Path], World]) -> After:
    """Two runs: everybody is careless and platforms refuse; then nothing can be read any more."""
    folder = tmp_path_factory.mktemp("canaries")
    scratch = folder / "scratch"
    scratch.mkdir()
    world = empty_world(folder)
    with_teams(world)
    careless(world, folder / "careless.json")
    plant(world)
    environment = {
        "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent / 'faults'}",
        "TMPDIR": str(scratch),
        "HOME": str(scratch),
        "CARELESS": str(folder / "careless.json"),
    }
    said = io.StringIO()
    metrics = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    metrics.bind(("127.0.0.1", 0))
    metrics.setblocking(False)

    def run(alerts: Web) -> RunReport:
        told = {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_PORT": str(metrics.getsockname()[1]),
            "AIRFLOW_CONN_CONCORD_ALERTS": json.dumps(
                {"conn_type": "apprise", "extra": alerts.extra}
            ),
        }
        return run_in_front(
            world.root,
            world.root / ".concord" / "airflow",
            extra={**world.variables(), **environment, **told},
            console=Console(file=said, width=200),
        )

    refusal = canary("answer").text.replace("\u017d", "Z").replace("\xdf", "s")
    no = answer(409, refusal.encode(), Server=refusal)
    with between(world, "address_book") as proxy, web() as alerts:
        with proxy.doing(says(no), when=b"PUT "):
            reports = [run(alerts)]
        damage(world)
        with proxy.doing(says(no.replace(b" 409 ", b" 500 ")), when=b"REPORT "):
            reports.append(run(alerts))
    left = [one.name for one in scratch.rglob("*")]
    sent = b"".join(_waiting(metrics))
    metrics.close()
    told = json.dumps(alerts.posted, ensure_ascii=False)
    variables = {**world.variables(), **environment}
    return After(world, said.getvalue(), left, reports, variables, sent, told)


def _waiting(receiver: socket.socket) -> Iterator[bytes]:
    with suppress(BlockingIOError):
        while True:
            yield receiver.recv(65_536) + b"\n"


def rules_broken(after: After) -> set[str]:
    """By rows in the quarantine of some platform."""
    return {
        rule
        for platform in after.world.connections
        for rules in after.world.frame(f"quarantine/{platform}")["rules"].to_list()
        for rule in rules
    }


def test_every_rule_was_broken(after: After) -> None:
    contract = after.world.ctx.project.contract("clean/crm")
    assert contract is not None
    texts = {one.name for one in contract.columns if one.type in ("string", "array")}
    wanted = {
        rule.id
        for rule in contract.rules
        if rule.severity == "error"
        and not (rule.kind == "readable" and rule.column in texts)  # text always is
        and not any(rule.id.startswith(name) for name in OUT_OF_REACH)
    }
    assert " ".join(wanted - rules_broken(after)) == ""


def test_everything_went_wrong_that_was_to(after: After) -> None:
    incidents = after.world.rows("ops/incidents")
    assert len(json.loads(Path(after.environment["CARELESS"]).read_text())) == 0
    assert {(one["step"], one["platform"], one["error"]) for one in incidents} >= {
        ("clean", "crm", "ContractBroken"),
        ("deliver", "address_book", "PlatformRefused"),
        ("extract", "address_book", "PlatformDown"),
        ("extract", "crm", "PlatformRefused"),
        ("extract", "newsletter", "UnreadableInput"),
        ("publish", None, "StepFailed"),
    }
    assert "23505" in after.world.frame("sync/crm/receipts")["code"].to_list()


def test_the_terminal_tells_of_nobody(after: After) -> None:
    assert finds(after.said.encode()) == []


def test_metrics_tell_of_nobody(after: After) -> None:
    assert b"concord." in after.metrics
    assert finds(after.metrics) == []


def test_alerts_tell_of_nobody(after: After) -> None:
    assert "extract" in after.alerts
    assert finds(after.alerts.encode()) == []


def test_nothing_temporary_is_left(after: After) -> None:
    assert after.left == []


def test_every_file_is_of_a_declared_kind(after: After) -> None:
    assert undeclared(after.world.root) == []


def test_nobody_is_told_of(after: After) -> None:
    assert leaks(after.world.root, after.world.ctx.project, LAKE) == []


def test_the_search_sees_into_every_table_that_people_are_in(after: After) -> None:
    found = leaks(after.world.root, after.world.ctx.project, LAKE, declared=False)
    columns = {tuple(where.split("/", 1)[1].split(": ")) for where, _ in found}
    inside = {(path.rsplit("/", 1)[0], column) for path, column in columns if "part-" in path}
    assert inside >= {
        ("raw/crm", "fields"),
        ("clean/address_book", "emails"),
        ("golden/contacts", "full_name"),
        ("quarantine/newsletter", "fields"),
        ("people/consents", "address"),
        ("sync/address_book/plan", "payload"),
        ("billing/customers", "full_name"),
    }


@pytest.mark.parametrize(
    "command",
    [
        "dataset list",
        *(f"dataset read {name}" for name in READ),
        "dataset show golden/contacts",
        "dataset history golden/contacts",
        "contract lint",
        "doctor",
        "incident list",
        "runs list",
        "runs show last",
        "subscription list",
        "sync plan crm",
        "sync plan address_book",
        "sync status",
        "platform check address_book",
        "platform check crm",
        "platform check newsletter",
    ],
)
def test_no_command_tells_of_anybody(after: After, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "concord", *command.split(), "--format", "json"],
        env={**os.environ, **after.environment, "CONCORD_PROJECT": str(after.world.root)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert finds(done.stdout + done.stderr) == []
