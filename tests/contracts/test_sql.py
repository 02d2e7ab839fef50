from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.contracts.lifting import lift, lift_element
from concord.contracts.sql import lifted, sql_faults

COUNT = "SELECT COUNT(*) FROM ${table} WHERE "


@pytest.mark.parametrize(
    "query",
    [
        COUNT + "a < b",
        "select count( * )\nfrom ${object}\nwhere a < b;",
        "  SELECT count(*)  FROM ${table}  WHERE  a\n <\n b  ",
    ],
)
def test_a_count_of_violations_is_lifted_to_its_predicate(query):
    assert lifted(query) == ("row", "a < b")


def test_blanks_inside_quotes_are_kept():
    assert lifted(COUNT + "a =  'x  y'") == ("row", "a = 'x  y'")


def test_a_propertys_query_may_say_column():
    assert lifted(COUNT + "${column} IS NULL", "code") == ("row", "code IS NULL")


@pytest.mark.parametrize("operator,kept", [(">", ">"), ("!=", "<>"), (">=", ">=")])
def test_a_count_of_elements_is_taken_apart(operator, kept):
    query = (
        COUNT + f"LEN(list_filter(emails, lambda e: e.value = 'a)' AND e.preferred)) {operator} 2"
    )
    assert lifted(query) == (
        "elements",
        {
            "column": "emails",
            "element": "e",
            "predicate": "e.value = 'a)' AND e.preferred",
            "operator": kept,
            "count": 2,
        },
    )


@pytest.mark.parametrize(
    "query",
    [
        "",
        "SELECT 1",
        "SELECT COUNT(a) FROM ${table} WHERE a",
        "SELECT COUNT(*) FROM other WHERE a",
        "SELECT COUNT(*) FROM ${table}",
        "DELETE FROM ${table} WHERE a",
    ],
)
def test_anything_else_is_no_row_rule(query):
    with pytest.raises(ValueError, match="write SELECT COUNT"):
        lifted(query)


ALLOWED = [
    "a IS NULL AND NOT b",
    "a IN ('x', 'it''s') OR a NOT IN ('y')",
    "n BETWEEN 1 AND 2.5",
    "a LIKE 'x%' OR STARTS_WITH(a, 'y')",
    "d < DATE '1900-01-02' AND t >= TIMESTAMPTZ '1900-01-02 00:00:00+00'",
    "COALESCE(ARRAY_LENGTH(l), 0) = 0",
    'CASE WHEN "a" IS NULL THEN true ELSE b END',
    "LENGTH(LOWER(a)) <> ABS(n - 1) * 2 % 3",
    "NULLIF(UPPER(a), '') IS NULL",
]
SCHEMA = {
    "a": pl.String(),
    "b": pl.Boolean(),
    "n": pl.Int64(),
    "d": pl.Date(),
    "t": pl.Datetime("us", "UTC"),
    "l": pl.List(pl.String),
}


@pytest.mark.parametrize("predicate", ALLOWED)
def test_what_is_allowed_is_carried_out(predicate):
    assert list(sql_faults(predicate, list(SCHEMA))) == []
    found = pl.DataFrame([{}], schema=SCHEMA, orient="row").select(lift(predicate))
    assert found.dtypes == [pl.Boolean]


REFUSED = {
    "d > CURRENT_DATE": "CURRENT_DATE",
    "t > now()": "now",
    "t > LOCALTIMESTAMP": "LOCALTIMESTAMP",
    "n > AVG(n)": "AVG",
    "COUNT(*) > 3": "COUNT",
    "ROW_NUMBER() OVER (ORDER BY n) > 1": "ROW_NUMBER",
    "EXISTS (SELECT 1)": "EXISTS",
    "n IN (SELECT n FROM x)": "SELECT",
    "UNNEST(l) = 'x'": "UNNEST",
    "READ_CSV('x') = 1": "READ_CSV",
    "RANDOM() > 1": "RANDOM",
    "CAST(a AS INT) = 1": "CAST",
    "a ~ 'x'": "~",
    "a = 'x' -- AND b": "--",
    "a = 'x' /* AND b */": "/",
    "a = 'x'; b": ";",
    "b IS TRUE": "IS [NOT] TRUE",
    "b IS NOT false": "IS [NOT] TRUE",
    "COLUMNS('a') = 1": "COLUMNS",
    "x.a = 1": "x.a",
    "a = 'x": "'",
    "d > DATE 'today'": "no date",
    "t > TIMESTAMPTZ '1900-01-02 00:00:00'": "without time zone",
    "t > TIMESTAMP '1900-01-02 00:00:00'": "TIMESTAMP",
}


@pytest.mark.parametrize("predicate,named", REFUSED.items())
def test_what_could_look_beyond_the_row_is_refused_by_name(predicate, named):
    said = list(sql_faults(predicate, list(SCHEMA)))
    assert said
    assert named in said[0]


@pytest.mark.parametrize(
    "predicate",
    [
        "n > AVG(n)",
        "COUNT(*) > 3",
        "ROW_NUMBER() OVER (ORDER BY n) > 1",
        "(SELECT 1) = 1",
        "UNNEST(l) = 'x'",
        "CAST(a AS INT) = 1",
        "SUM(n) = 1",
        "FIRST(n) = n",
        "CONCAT(a, a) = a",
    ],
)
def test_the_allow_list_of_nodes_refuses_what_the_words_would_have(predicate):
    with pytest.raises(ValueError, match="may not be used in a row rule"):
        lift(predicate)


@given(
    lists=st.lists(
        st.none()
        | st.lists(
            st.none()
            | st.fixed_dictionaries(
                {"value": st.sampled_from([None, "a", "x.p"]), "p": st.none() | st.booleans()}
            ),
            max_size=4,
        ),
        max_size=5,
    )
)
def test_an_elements_predicate_sees_one_element_at_a_time(lists):
    kind = pl.List(pl.Struct({"value": pl.String, "p": pl.Boolean}))
    frame = pl.DataFrame({"l": pl.Series(lists, dtype=kind)})
    met = lift_element("x.p AND x.value = 'x.p'", "x").fill_null(False)

    counted = frame.select(pl.col("l").list.eval(met).list.sum())["l"].to_list()

    assert counted == [
        None if one is None else sum(bool(e and e["p"] and e["value"] == "x.p") for e in one)
        for one in lists
    ]
