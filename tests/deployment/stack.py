"""The services of compose.yaml as processes of this machine.

Every service has the command and the environment that the file gives it; only addresses and folders
are others: 127.0.0.1 and free ports in place of the services' names, a temporary folder in place of
the container's. In place of the object store's image runs moto, and Airflow's components are forked
from one process that imported Airflow once (`lean_parent`).
"""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import psutil
import psycopg
from compose import Service, read_services
from dockerfile import instructions, variables
from psycopg import sql

from concord.demo.postgres import Postgres
from machine import (
    DEPLOY,
    HERE,
    PATH,
    TUNED,
    answers,
    free_ports,
    pg_isready,
    redis_server,
    start,
)

__all__ = ["Stack"]


@dataclass
class Stack:
    """All services; a context manager.

    Attributes:
        folder: where everything is kept.
        project: what the image has in /opt/concord/project.
        values: variables of the .env.
        held: the platform whose first delivery is held up.
        connections: variables of connections.env.
    """

    folder: Path
    project: Path
    postgres: Postgres
    values: Mapping[str, str]
    held: str
    connections: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(
        default_factory=lambda: free_ports("api", "redis", "s3", "health")
    )
    services: Mapping[str, Service] = field(init=False)
    components: dict[str, int] = field(default_factory=dict)
    workers: Sequence[str] = ()
    _started: list[subprocess.Popen[str]] = field(default_factory=list)
    _pages: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.services = read_services(DEPLOY / "compose.yaml", self.values)
        image = variables(instructions(DEPLOY / "Dockerfile"), 2)
        self._image = {name: value for name, value in image.items() if name != "PATH"}

    def __enter__(self) -> Self:
        for part in ("airflow", "airflow/auth", "airflow/logs", "redis", "said"):
            (self.folder / part).mkdir(exist_ok=True)
        with contextlib.ExitStack() as undo:
            undo.callback(self._stop)
            self._make_database()
            self._start_redis()
            self._start_objectstore()
            self._parent = self._start(
                "parent",
                [sys.executable, str(HERE / "lean_parent.py")],
                self.environment("scheduler"),
                talks=True,
            )
            self._ready = self._start_init()
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    # what the file says, on this machine

    def here(self, text: str) -> str:
        """*text* with this machine's addresses and folders."""
        for name, other in self._others().items():
            text = text.replace(name, other)
        return text

    def _others(self) -> dict[str, str]:
        at = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        return {
            "@postgres:5432/airflow": f"@/airflow?host={self.postgres.host}",
            "@redis:6379": f"@{at['redis']}",
            "objectstore:8333": at["s3"],
            "api-server:8080": at["api"],
            "127.0.0.1:8080": at["api"],
            "127.0.0.1:8974": at["health"],
            "0.0.0.0": "127.0.0.1",
            "/opt/airflow": str(self.folder / "airflow"),
            "/opt/concord/project": str(self.project),
        }

    def environment(self, name: str) -> dict[str, str]:
        """All variables of a service's processes."""
        service = self.services[name]
        said = {**self._image, **service.environment}
        for _ in service.env_files:
            said |= self.connections
        ours = {
            "PATH": PATH,
            "HOME": str(self.folder),
            "HELD": self.held,
            "PYTHONPATH": str(HERE),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.ports["health"]),
        }
        return {key: self.here(value) for key, value in said.items()} | TUNED | ours

    def command(self, name: str) -> list[str]:
        """A service's command."""
        api = str(self.ports["api"])
        return [api if one == "8080" else self.here(one) for one in self.services[name].command]

    # starting

    def _start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], **how: bool
    ) -> subprocess.Popen[str]:
        started = start(command, self._log(name), environment, **how)
        self._started.append(started)
        return started

    def _make_database(self) -> None:
        said = self.services["postgres"].environment
        with psycopg.connect(**self.postgres.parameters, autocommit=True) as connection:  # type: ignore[arg-type]
            user = sql.Identifier(said["POSTGRES_USER"])
            password = sql.Literal(said["POSTGRES_PASSWORD"])
            connection.execute(sql.SQL("create role {} login password {}").format(user, password))
            name = sql.Identifier(said["POSTGRES_DB"])
            connection.execute(sql.SQL("create database {} owner {}").format(name, user))

    def _start_redis(self) -> None:
        program, *arguments = self.command("redis")
        found = redis_server()
        assert program == "redis-server"
        assert found is not None
        where = [
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.ports["redis"]),
            "--dir",
            str(self.folder / "redis"),
        ]
        self._start("redis", [found, *arguments, *where], {"PATH": PATH})

    def _start_objectstore(self) -> None:
        command = [sys.executable, str(HERE / "objectstore.py"), str(self.ports["s3"])]
        self._start("objectstore", command, {"PATH": PATH, "HOME": str(self.folder)})
        self.until(lambda: answers(f"http://127.0.0.1:{self.ports['s3']}/"))
        self.s3().create_bucket(Bucket=self.services["objectstore"].environment["S3_BUCKET"])

    def _start_init(self) -> subprocess.Popen[str]:
        return self._start(
            "airflow-init", self.command("airflow-init"), self.environment("airflow-init")
        )

    def serve(self, workers: Sequence[str]) -> None:
        """Start everything that waits for airflow-init, and wait until it is well."""
        self.workers = workers
        assert self._ready.wait(timeout=120) == 0, self.said("airflow-init")
        self._started.remove(self._ready)
        assert self._parent.stdout is not None
        assert json.loads(self._parent.stdout.readline()) == {"ready": True}
        for name in ("api-server", "scheduler", "dag-processor"):
            self._fork(name, name)
        for worker in workers:
            self._fork(
                worker,
                "worker",
                "--celery-hostname",
                f"{worker}@here",
                "--pid",
                str(self.folder / f"{worker}.pid"),
            )
        self.until(self._well)
        for worker in workers:
            self.until(lambda worker=worker: "ready." in self.said(worker))  # type: ignore[misc]

    def _fork(self, name: str, service: str, *more: str) -> None:
        self.components[name] = self._command(name, service, [*self.command(service), *more])

    def _command(self, name: str, service: str, argv: Sequence[str]) -> int:
        told = {
            "argv": list(argv),
            "log": str(self._log(name)),
            "env": {**self.environment(service), "WORKER_NAME": service},
        }
        if name in self.workers:
            told["env"]["WORKER_NAME"] = name
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(told) + "\n")
        self._parent.stdin.flush()
        pid: int = json.loads(self._parent.stdout.readline())["pid"]
        return pid

    def ended(self, name: str) -> int:
        """Wait for a command that was forked; its exit code."""
        code = self._log(name).with_suffix(".code")
        self.until(lambda: code.exists() and code.read_text())
        return int(code.read_text())

    def _log(self, name: str) -> Path:
        return self.folder / "said" / f"{name}.log"

    def said(self, name: str) -> str:
        """What a service wrote."""
        place = self._log(name)
        return place.read_text(errors="replace") if place.exists() else ""

    # asking

    def until(self, done: Callable[[], object], *, within_s: float = 150) -> None:
        end_at = time.monotonic() + within_s
        while not done():
            ended = [one.args for one in self._started if one.poll() is not None]
            gone = [name for name, pid in self.components.items() if not psutil.pid_exists(pid)]
            assert not ended, f"ended by itself: {ended}"
            assert not gone, f"{gone} ended by itself: {self.said(gone[0])[-2000:]}"
            assert time.monotonic() < end_at, f"waited {within_s:g} s in vain"
            time.sleep(0.25)

    def _well(self) -> bool:
        told = self._get("/api/v2/monitor/health") or {}
        return all(
            told.get(one, {}).get("status") == "healthy"
            for one in ("metadatabase", "scheduler", "dag_processor")
        )

    def _get(self, path: str) -> Any:
        with contextlib.suppress(OSError, ValueError):
            return self.ask(path)
        return None

    def ask(self, path: str, body: Any = None) -> Any:
        """What the API answers, to whoever has logged in."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['api']}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **self._pages},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def log_in(self) -> None:
        """Log in to Airflow's pages with the .env's password."""
        said = {"username": "admin", "password": self.values["ADMIN_PASSWORD"]}
        self._pages = {"Authorization": f"Bearer {self.ask('/auth/token', said)['access_token']}"}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What Airflow's database answers."""
        where = {**self.postgres.parameters, "dbname": "airflow"}
        with psycopg.connect(**where) as connection:  # type: ignore[arg-type]
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    def s3(self) -> Any:
        """A client of the object store."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.ports['s3']}",
            region_name=self.values["S3_REGION"],
            aws_access_key_id=self.values["S3_ACCESS_KEY"],
            aws_secret_access_key=self.values["S3_SECRET_KEY"],
        )

    def check_health(self) -> dict[str, str]:
        """Carry out every health check but the object store's, which is another here.

        Returns:
            What the checks of services that are not well said.
        """
        names = [one for one, at in self.services.items() if at.health and one != "objectstore"]
        checks = {
            name: [self._asked(name, one) for one in self.services[name].health] for name in names
        }
        for name, check in checks.items():
            shell = check[:2] == ["sh", "-c"]
            argv = shlex.split(check[2]) if shell and "|" not in check[2] else check
            if argv[0] in ("airflow", "celery"):
                self._command(f"health-{name}", name, argv)
            else:
                done = start(check, self._log(f"health-{name}"), self.environment(name))
                self._log(f"health-{name}").with_suffix(".code").write_text(str(done.wait(30)))
        ill = [name for name in names if self.ended(f"health-{name}")]
        return {name: self.said(f"health-{name}") for name in ill}

    def _asked(self, name: str, text: str) -> str:
        """A part of a health check, for the service's process on this machine."""
        if name == "redis":
            return text.replace("redis-cli", f"redis-cli -p {self.ports['redis']}")
        if name == "postgres":
            return {"pg_isready": pg_isready(), "127.0.0.1": self.postgres.host}.get(text, text)
        return self.here(text).replace("celery@$(hostname)", f"{self.workers[0]}@here")

    def concord(self, *commands: str) -> list[int]:
        """Exit codes of commands of `concord`, given at once, with airflow-init's environment."""
        for one in commands:
            self._command(f"concord-{one}", "airflow-init", ["concord", one])
        return [self.ended(f"concord-{one}") for one in commands]

    def copy_lake(self, target: Path) -> None:
        """All objects of the bucket, as files."""
        s3, bucket = self.s3(), self.values["S3_BUCKET"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for one in page.get("Contents", ()):
                place = target / one["Key"]
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())

    # ending

    def kill(self, name: str) -> int:
        """Signal 9 for a component and everything below it; how many processes that were."""
        root = psutil.Process(self.components.pop(name))
        tree = [root, *root.children(recursive=True)]
        for one in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(tree, timeout=10)
        return len(tree)

    def _stop(self) -> None:
        for one in reversed(self._started):
            one.send_signal(signal.SIGTERM)
            try:
                one.wait(timeout=20)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
