"""Nothing of a foreign exception's text passes."""

from __future__ import annotations

import traceback

import pytest

from concord.airflow.foreign import import_error, translated
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


def test_a_dag_file_that_cannot_be_imported_is_told_by_place_and_class():
    text = (
        "Traceback (most recent call last):\n"
        '  File "/p/dags/a.py", line 4, in <module>\n    1 / 0\n'
        "ZeroDivisionError: division by zero\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\n"
        '  File "/p/dags/a.py", line 6, in <module>\n    f()\n'
        '  File "/p/lib/b.py", line 60, in f\n    raise\n'
        f"concord.errors.UsageError: {QUOTED}\n{QUOTED}: too\n"
    )
    assert import_error("a.py", text) == "dags/a.py:6 (UsageError)"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            f"AirflowDagDuplicatedIdException: {QUOTED}",
            "dags/a.py (AirflowDagDuplicatedIdException)",
        ),
        (f"{QUOTED} is wrong", "dags/a.py (an error)"),
        ("", "dags/a.py (an error)"),
    ],
)
def test_what_is_no_traceback_is_told_by_its_class_if_it_has_one(text, told):
    assert import_error("a.py", text) == told
