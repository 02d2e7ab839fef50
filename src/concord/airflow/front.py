"""The front of an embedded run: signals and progress; imports no Airflow.

It starts one worker (`concord.airflow.worker`), shows what the worker tells, and sees to it that
nothing is left behind: the first Ctrl-C or SIGTERM lets the running task finish for a few seconds,
then everything is killed, which the next run recovers from.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from rich.console import Console

from concord.airflow.environment import airflow_environment
from concord.airflow.messages import EVENTS, ORDER, STOP, Event, Order
from concord.airflow.processes import end_processes
from concord.airflow.progress import progress_on

__all__ = ["WORKER", "RunReport", "run_in_front"]

WORKER = (sys.executable, "-m", "concord.airflow.worker")
STOPPED = 130


@dataclass(slots=True)
class RunReport:
    """What a run did, as its worker told it.

    Attributes:
        exit_code: 0 everything is up to date; 1 something failed, is behind or was refused;
            130 stopped by a signal.
        tasks: the end of every try, in order.
        results: what every finished step said (`Event.data`), in order.
        failed: tasks that failed for good.
        text: why nothing ran, or which Dags are still behind; empty otherwise.
        log: the worker's own log.
    """

    exit_code: int = 1
    tasks: list[Event] = field(default_factory=list)
    results: list[Event] = field(default_factory=list)
    failed: list[Event] = field(default_factory=list)
    text: str = ""
    seconds: float = 0.0
    log: Path = Path()

    def take(self, event: Event) -> None:
        """Keep what the closing table needs."""
        if event.what == "end":
            self.tasks.append(event)
        elif event.what == "result":
            self.results.append(event)
        elif event.what == "failed":
            self.failed.append(event)
        elif event.what == "refused":
            self.text = event.text
        elif event.what == "behind":
            self.text = f"still behind: {event.text}"


def run_in_front(
    root: Path,
    state: Path,
    *,
    order: Order | None = None,
    extra: Mapping[str, str] | None = None,
    console: Console | None = None,
    command: Sequence[str] = WORKER,
    grace_s: float = 5,
) -> RunReport:
    """Run the project in *root* to the end; call it from the main thread.

    Args:
        state: folder of the embedded Airflow; made if missing.
        order: which Dags to trigger first; every extract when None.
        extra: more variables for the worker, for example ``AIRFLOW_CONN_…``.
        console: where progress goes; plain lines when it is no terminal.
        command: the worker.
        grace_s: seconds that a running task has after the first signal.
    """
    began = time.monotonic()
    surroundings = {**os.environ, **(extra or {})}
    environment = airflow_environment(root, state, inherited=surroundings)
    with tempfile.TemporaryDirectory(prefix="concord-") as scratch, _log(state) as log:
        stop = Path(scratch) / "stop"
        environment |= {ORDER: (order or Order()).to_json(), STOP: str(stop)}
        report = RunReport(log=Path(log.name))
        worker = _Worker(command, stop, grace_s)
        with worker.signals(), progress_on(console or Console(stderr=True)) as show:
            for event in worker.events(environment, log):
                report.take(event)
                show(event)
            report.exit_code = worker.end()
    if report.exit_code not in (0, STOPPED) and not (report.text or report.failed):
        report.text = f"the worker ended with {_ending(report.exit_code)}; its log: {report.log}"
    report.exit_code = report.exit_code if report.exit_code in (0, STOPPED) else 1
    report.seconds = time.monotonic() - began
    return report


@contextmanager
def _log(state: Path) -> Iterator[IO[str]]:
    folder = state / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / "worker.log"
    if place.exists():
        place.replace(folder / "worker.log.1")
    with place.open("w", encoding="utf-8") as log:
        yield log


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class _Worker:
    """The worker's process, its events, and what signals do to it."""

    def __init__(self, command: Sequence[str], stop: Path, grace_s: float) -> None:
        self._command = command
        self._stop = stop
        self._alarm = threading.Timer(grace_s, self._kill)
        self._alarm.daemon = True
        self._asked = 0
        self._process: subprocess.Popen[bytes] | None = None

    def events(self, environment: Mapping[str, str], log: IO[str]) -> Iterator[Event]:
        """Start the worker; yield what it tells until it and its tasks are gone."""
        read, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                self._command,
                pass_fds=[write],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment, EVENTS: str(write)},
            )
        finally:
            os.close(write)
        with os.fdopen(read, encoding="utf-8") as lines:
            for line in lines:
                with suppress(ValueError, TypeError):
                    yield Event.from_line(line)

    def end(self) -> int:
        """The worker's exit code, or `STOPPED` when a signal asked for its end."""
        assert self._process is not None
        code = self._process.wait()
        return STOPPED if self._asked else code

    @contextmanager
    def signals(self) -> Iterator[None]:
        """First signal: finish the running task; second, or time over: kill."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        except BaseException:
            self._kill()
            raise
        finally:
            self._alarm.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1
        if self._asked == 1:
            self._stop.touch()
            self._alarm.start()
        else:
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            end_processes([self._process.pid], grace_s=0)
