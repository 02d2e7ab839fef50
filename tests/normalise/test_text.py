from __future__ import annotations

import pytest

from concord.normalise.names import name
from concord.normalise.text import text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("  Anna   Maria ", "Anna Maria"),
        ("Anna\u00a0Maria\n", "Anna Maria"),
        ("Mu\u0308ller", "M\u00fcller"),
        ("\ufeffAnna\u200b", "Anna"),
        ("An\x07na", "Anna"),
        ("Anna\ud800", "Anna"),
        ("\u202eannA", "annA"),
        ("\u0646\u0627\u0645\u200c\u0647", "\u0646\u0627\u0645\u200c\u0647"),
    ],
)
def test_a_name_is_composed_and_on_one_line(written: str, meant: str) -> None:
    assert name(written) == meant


@pytest.mark.parametrize(
    "kept", ["McDonald", "van der Berg", "DE LA CRUZ", "anna", "O'Neil", "李小龍"]
)
def test_a_name_keeps_its_case(kept: str) -> None:
    assert name(kept) == kept


def test_text_keeps_its_lines() -> None:
    assert text("\r\n Top  3 \r\nStiege\t2\r\n\r\n") == "Top 3\nStiege 2"
