"""Lines between worker and front."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.airflow.messages import EVENTS, Event, Order, tell

texts = st.text(max_size=50)


@given(
    st.builds(
        Event,
        what=texts,
        dag=texts,
        platform=st.none() | texts,
        map_index=st.integers(-1, 1000),
        try_number=st.integers(0, 100),
        seconds=st.floats(0, 1e6),
        data=st.dictionaries(texts, st.integers() | texts, max_size=3),
    )
)
def test_an_event_is_one_line_that_reads_back(event):
    line = event.to_line()
    assert line.count("\n") == 1
    assert Event.from_line(line) == event


@given(st.none() | st.lists(texts, max_size=3).map(tuple), st.integers(0, 9))
def test_an_order_reads_back(first, rounds):
    order = Order(first, {"full_refresh": True}, rounds, first)
    assert Order.from_json(order.to_json()) == order


@pytest.fixture
def pipe(monkeypatch):
    read, write = os.pipe()
    monkeypatch.setenv(EVENTS, str(write))
    with os.fdopen(read) as lines:
        yield lines, write
    os.close(write)


def test_an_event_too_long_for_one_write_goes_without_its_data(pipe):
    tell(Event("result", dag="clean_crm", data={"notes": ["x" * 5000]}))
    assert Event.from_line(pipe[0].readline()) == Event("result", dag="clean_crm")


def test_telling_nobody_is_no_error(monkeypatch):
    monkeypatch.delenv(EVENTS, raising=False)
    tell(Event("start"))
    monkeypatch.setenv(EVENTS, "9999")
    tell(Event("start"))
