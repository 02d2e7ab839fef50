"""Tables: ids whole, lists in words, and lines where no table fits."""

from __future__ import annotations

import json

import pytest

from concord.cli.output import Format, show_rows

ID = "0123456789abcdef0123456789abcdef"


def shown(capsys: pytest.CaptureFixture[str], *columns: str, **row: object) -> str:
    show_rows([row], columns=columns or tuple(row), title="plan", form=Format.TABLE)
    return capsys.readouterr().out


def test_an_id_is_never_cut_for_it_is_typed_again(capsys: pytest.CaptureFixture[str]) -> None:
    narrow = shown(capsys, op=ID, reason="it waits " * 40)
    wide = shown(capsys, **{f"column_{number}": ID for number in range(9)})

    assert ID in narrow
    assert "┃" in narrow
    assert wide.count(ID) == 9
    assert "┃" not in wide


def test_elements_of_a_list_are_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown(
        capsys,
        emails=[
            {"value": "a***", "type": "work", "preferred": True},
            {"value": "b***", "type": None, "preferred": False},
        ],
        columns=["country", "phones"],
    )

    assert "a*** work preferred, b***" in told
    assert "country, phones" in told


def test_no_rows_are_said_in_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([], columns=("a",), title="plan for crm", form=Format.TABLE)

    assert capsys.readouterr().out == "plan for crm: none\n"


def test_square_brackets_of_a_value_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert "[bold]x" in shown(capsys, a="[bold]x")


def test_json_holds_the_rows_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([{"a": [1], "b": None}], columns=("a",), title="x", form=Format.JSON)

    assert json.loads(capsys.readouterr().out) == [{"a": [1], "b": None}]
