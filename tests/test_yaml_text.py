from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from concord.errors import ProjectFaults
from concord.yaml_text import load_text

scalars = (
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("abNO: '#\n", max_size=6)
)
keys = st.text("abc", min_size=1, max_size=3)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(tree=trees)
def test_json_is_read_as_it_is(tree):
    assert load_text(json.dumps(tree), path="x.yaml")[0] == tree


def test_yaml_1_2_knows_no_norway_problem():
    data, line_of = load_text("a: NO\nb: 'NO'\nc: [AT, on]\nd: 12:30\ne: 1.10\n", path="x.yaml")
    assert data == {"a": "NO", "b": "NO", "c": ["AT", "on"], "d": "12:30", "e": 1.1}
    assert line_of.ambiguous == (("a",), ("c", 1), ("d",))


def test_every_place_has_its_line():
    text = "a:\n- b: 1\n  c:\n  - x\n  - y\n\n# word\nd: {e: 1,\n    f: 2}\n"
    _, line_of = load_text(text, path="x.yaml")
    places = [("a",), ("a", 0, "b"), ("a", 0, "c", 1), ("d", "f"), ("d", "missing"), ()]
    assert [line_of(place) for place in places] == [1, 2, 5, 9, 8, 1]


@pytest.mark.parametrize(
    "text,said",
    [
        ("a: [", "is no YAML"),
        ("a: 1\na: 2", "x.yaml:2: a key stands twice (keep one of them)"),
        ("a: &b 1\nc: *b", "x.yaml:1: anchors and aliases"),
        ("c:\n- *b", "x.yaml:2: anchors and aliases"),
        ("a: !!python/object:os.system x", "tags"),
        ("- " * 60 + "a", "nested over 40 deep"),
        ("[" * 20_000, "nested over 40 deep"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: 1\nb: \x00", "x.yaml:2: holds a control character"),
        ("a:\n\tb: 1", "x.yaml:2: is indented with a tab (indent with spaces)"),
        ("a: 1\n b: 2", "look at the indentation of this line"),
        ("a: 'it's'", "an apostrophe is written twice"),
        ("a:\n- b\nc\nd: 1", "a line without its colon"),
        ('a: "\\S"', "write patterns in single quotes"),
        ("a: 1\n<<<<<<< HEAD\n", "x.yaml:2: holds the marks of a merge conflict"),
        ("a: 1\n=======\n", "x.yaml:2: holds the marks of a merge conflict"),
        ("a: '" + "x" * 1_000_001 + "'", "is larger than 1000 kB"),
    ],
)
def test_what_is_no_plain_document_is_refused_quickly(text, said):
    started = time.process_time()
    with pytest.raises(ProjectFaults) as told:
        load_text(text, path="x.yaml")
    assert said in str(told.value)
    assert time.process_time() - started < 2


def test_what_another_tool_writes_is_read_alike():
    tree = {"a": ["NO", "x: y", None, True], "b": {"c": "1.0", "d": 1}}
    import io

    out = io.StringIO()
    YAML(typ="safe", pure=True).dump(tree, out)
    assert load_text(out.getvalue(), path="x.yaml")[0] == tree
