"""Physical names on the wire."""

from __future__ import annotations

import pytest

from concord.lineage.names import DatasetName, dataset_name, dataset_uri


@pytest.mark.parametrize(
    "lake, uri, name",
    [
        ("/lake", "file:///lake/golden/contacts", DatasetName("file", "/lake/golden/contacts")),
        ("s3://b", "s3://b/golden/contacts", DatasetName("s3://b", "golden/contacts")),
        ("s3://b/x/", "s3://b/x/golden/contacts", DatasetName("s3://b", "x/golden/contacts")),
    ],
)
def test_a_dataset_is_named_by_its_place(lake, uri, name):
    assert dataset_uri(lake, "golden/contacts") == uri
    assert dataset_name(uri) == name
