"""What programs print, warn and log while they handle people: it may quote them and is not kept.

Rust panics, child processes and C libraries write past Python, so standard output and error are
closed off as file descriptors too.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress

import structlog

__all__ = ["all_words_withheld", "foreign_words_withheld"]

_OURS = ("concord", "airflow")


@contextmanager
def foreign_words_withheld() -> Iterator[None]:
    """Of what the block says, keep the log lines of Concord and of Airflow only."""
    with ExitStack() as stack:
        nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        for number in (1, 2):
            stack.enter_context(_descriptor_to(nowhere.fileno(), number))
        stack.enter_context(redirect_stdout(nowhere))
        stack.enter_context(redirect_stderr(nowhere))
        stack.enter_context(_warnings_unshown())
        stack.enter_context(_only_our_loggers())
        stack.enter_context(_no_last_words())
        yield


@contextmanager
def all_words_withheld() -> Iterator[None]:
    """Keep nothing of what the block says, not even what it logs as Concord."""
    disabled = logging.root.manager.disable
    processors = structlog.get_config()["processors"]  # the list that every logger holds
    with foreign_words_withheld():
        logging.disable(logging.CRITICAL)
        processors.insert(0, _drop)
        try:
            yield
        finally:
            processors.remove(_drop)
            logging.disable(disabled)


@contextmanager
def _descriptor_to(nowhere: int, number: int) -> Iterator[None]:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    try:
        kept = os.dup(number)
    except OSError:  # it is closed
        yield
        return
    os.dup2(nowhere, number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)


@contextmanager
def _warnings_unshown() -> Iterator[None]:
    """Filters stay in force: a warning that is to be an error still is one."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda *_arguments, **_more: None
        yield


@contextmanager
def _no_last_words() -> Iterator[None]:
    """PyO3 has an exception printed that it passes on as a panic, before anybody can catch it."""
    kept = sys.excepthook
    sys.excepthook = lambda *_exception: None
    try:
        yield
    finally:
        sys.excepthook = kept


@contextmanager
def _only_our_loggers() -> Iterator[None]:
    handlers = list(logging.root.handlers)
    for handler in handlers:
        handler.addFilter(_is_ours)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.split(".", 1)[0] in _OURS


def _drop(_logger: object, _method: str, _event: object) -> structlog.typing.EventDict:
    raise structlog.DropEvent
