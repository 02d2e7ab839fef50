from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.contracts.patterns import pattern_fault, rust_pattern

PATTERNS = [
    r"^\+[1-9][0-9]{6,14}$",
    r"^\d+$",
    r"^[\d.-]+$",
    r"^\w+$",
    r"\W",
    r"[^\w]",
    r"\D",
    r"^.$",
    r"^[[]$",
    r"^[a&&b]+$",
    r"^[~~a]+$",
    r"a|b$",
    r"\bab\b",
    r"^\/$",
    r"^[^@\s\x00-\x1F]+@x$",
    r"^\S([^\x00-\x1F\x7F]*\S)?$",
    r"\\d",
]
texts = st.text("ab1_.-/@ x[&~é١\n\\d+", max_size=5)


def _as_ecma(pattern: str, text: str) -> bool:
    """Python's regex with ECMA-262's meaning: ASCII classes, ``$`` only at the very end."""
    dotted = re.sub(r"(?<!\\)\$", r"\\Z", pattern)
    return re.search(dotted, text, re.ASCII) is not None


@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")
@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=texts)
def test_polars_finds_what_ecma_finds(pattern, text):
    found = pl.Series([text]).str.contains(rust_pattern(pattern)).item()
    assert found == _as_ecma(pattern, text)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_that_both_understand_has_no_fault(pattern):
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize(
    "pattern,said",
    [
        ("(", "is no regular expression"),
        ("[a", "is no regular expression"),
        ("(?!a)b", "only (?:…)"),
        ("(?<=a)b", "only (?:…)"),
        ("(?i)b", "only (?:…)"),
        (r"(a)\1", "refers back"),
        ("a[]b]", "empty class"),
        ("a[^]b]", "empty class"),
    ],
)
def test_a_pattern_that_cannot_be_enforced_says_why(pattern, said):
    assert said in str(pattern_fault(pattern))
