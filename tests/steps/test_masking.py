"""What is shown of a value that is not for everybody."""

from __future__ import annotations

import pytest

from concord.steps.masking import mask


@pytest.mark.parametrize(
    ("value", "shown"),
    [("", ""), ("D", "*"), ("Öz", "**"), ("Ann", "A**"), ("Annabel Gruber", "A*******")],
)
def test_a_text_shows_its_first_sign_only_where_two_more_follow(value: str, shown: str) -> None:
    assert mask(value) == shown


def test_what_lies_inside_is_masked_too() -> None:
    assert mask([{"value": "x@y.example", "type": "h"}]) == [{"value": "x*******", "type": "*"}]
