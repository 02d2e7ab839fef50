"""Nothing of a foreign exception's text passes."""

from __future__ import annotations

import traceback

import pytest

from concord.airflow.foreign import translated
from concord.errors import PlatformDown, StepFailed

QUOTED = "jane.doe@example.org"


def caught(raising) -> Exception:
    try:
        raising()
    except Exception as error:
        return error
    raise AssertionError


def shown(error: Exception) -> str:
    try:
        raise error
    except Exception:
        return traceback.format_exc()


def bad_value() -> None:
    try:
        {}[QUOTED]
    except KeyError as error:
        raise ValueError(f"{QUOTED} is no number") from error


def test_a_foreign_exception_keeps_its_class_and_its_place():
    found = translated(caught(bad_value), "clean.crm")
    assert isinstance(found, StepFailed)
    assert (found.step, found.kind) == ("clean.crm", "ValueError")
    assert found.place.startswith("test_foreign.py:")


def test_the_place_is_the_innermost_line_of_ours():
    from concord.lineage.names import dataset_name

    found = translated(caught(lambda: dataset_name("http://[jane.doe")), "extract.crm")
    assert found.kind == "ValueError"
    assert found.place.startswith("concord/lineage/names.py:")


def test_its_text_is_gone_also_from_a_traceback():
    assert QUOTED not in shown(translated(caught(bad_value), "clean.crm"))


def test_an_error_of_ours_loses_what_it_was_chained_to():
    def chained() -> None:
        try:
            bad_value()
        except ValueError as error:
            raise PlatformDown("crm", "no answer") from error

    found = translated(caught(chained), "extract.crm")
    assert str(found) == "crm: no answer"
    assert QUOTED not in shown(found)


@pytest.mark.parametrize(
    "error, transient",
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError(28, "no space"), True),
        (FileNotFoundError(), False),
        (PermissionError(), False),
        (KeyError(QUOTED), False),
    ],
)
def test_only_what_may_pass_is_transient(error, transient):
    assert translated(error, "clean.crm").transient is transient
