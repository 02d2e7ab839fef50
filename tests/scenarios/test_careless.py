"""Whatever a team's function or a library says and raises, nobody hears whom it was about."""

from __future__ import annotations

import logging
import pickle
import sys
import traceback
import warnings

import polars as pl
import pytest
import structlog
from canaries import canary, finds
from careless import RAISES, prints

from concord.airflow.foreign import translated
from concord.errors import ConcordError, StepFailed, UsageError
from concord.steps.subscription import Delivery, Subscription, call
from concord.steps.withheld import all_words_withheld, foreign_words_withheld

TEXT = canary("careless").text
SUBSCRIPTION = Subscription(Delivery("team", "golden/contacts", "1", 0, 1), None)


def everything_of(error: BaseException) -> bytes:
    told = "".join(traceback.format_exception(error)) + repr(error)
    return told.encode() + pickle.dumps(error)


def raised(kind: str) -> BaseException:
    try:
        RAISES[kind](TEXT)
    except BaseException as error:
        return error
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", RAISES)
def test_what_a_function_raises_is_told_by_its_class(kind: str) -> None:
    def function(_rows: pl.DataFrame, _subscription: Subscription) -> None:
        RAISES[kind](TEXT)

    with pytest.raises(StepFailed, match="its text is withheld") as caught:
        call(function, pl.DataFrame(), SUBSCRIPTION)
    assert finds(everything_of(caught.value)) == []


@pytest.mark.parametrize("kind", [one for one in RAISES if not one.startswith("ours")])
def test_what_a_library_raises_in_a_step_is_told_by_its_class(kind: str) -> None:
    error = raised(kind)
    assert not isinstance(error, ConcordError)
    assert finds(everything_of(translated(error, "clean.crm"))) == []


def test_a_function_that_misuses_its_subscription_is_told_how() -> None:
    def function(rows: pl.DataFrame, subscription: Subscription) -> None:
        subscription.publish(rows)

    with pytest.raises(UsageError, match="it keeps no dataset"):
        call(function, pl.DataFrame(), SUBSCRIPTION)


def test_ctrl_c_stays_what_it_is() -> None:
    def function(_rows: pl.DataFrame, _subscription: Subscription) -> None:
        raise KeyboardInterrupt(TEXT)

    with pytest.raises(KeyboardInterrupt) as caught:
        call(function, pl.DataFrame(), SUBSCRIPTION)
    assert finds("".join(traceback.format_exception(caught.value)).encode()) == []


@pytest.mark.filterwarnings("default")
def test_nothing_that_a_function_says_is_heard(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with all_words_withheld():
        prints(TEXT)
    heard = capfd.readouterr()
    assert finds((heard.out + heard.err + caplog.text).encode()) == []


@pytest.mark.filterwarnings("default")
def test_of_a_step_only_our_own_log_lines_are_heard(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with foreign_words_withheld():
        logging.getLogger("concord.steps.clean").info("a step says so")
        logging.getLogger("psycopg").error(TEXT)
        warnings.warn(TEXT, stacklevel=1)
        print(TEXT)
        sys.excepthook(ValueError, ValueError(TEXT), None)
    heard = capfd.readouterr()
    assert finds((heard.out + heard.err + caplog.text).encode()) == []
    assert "a step says so" in caplog.text


@pytest.mark.filterwarnings("default")
def test_afterwards_everything_is_heard_again(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="out of the block"), all_words_withheld():
        raise ValueError("out of the block")
    prints("good evening")
    structlog.get_logger("billing").error("good night")
    heard = capfd.readouterr()
    assert heard.out.count("good evening") >= 3
    assert "good night" in heard.out
    assert heard.err.count("good evening") >= 2
    assert "refused good evening" in caplog.text
