"""Embedded data sets are what their publications describe."""

import pytest

from semgllamm.data.datasets import DATASETS, load_dataset
from semgllamm.errors import DataError


@pytest.mark.parametrize(
    ("name", "rows", "facts"),
    [
        ("lsat6", 1000, {"y1": 924, "y2": 709, "y3": 553, "y4": 763, "y5": 870}),
        ("holzinger", 301, {"sex": 146 + 2 * 155}),
        ("sleepstudy", 180, {"Days": 18 * 45}),
        ("cbpp", 56, {"incidence": 99, "size": 842}),
        ("epil", 236, {"V4": 59, "trt": 4 * 31}),
        ("guatemala", 2159, {"immun": 964, "kid2p": 1666, "ord7p": 318, "husEdDK": 182}),
    ],
)
def test_rows_and_totals(name, rows, facts):
    data = load_dataset(name)
    assert len(data) == rows
    assert {column: data[column].sum() for column in facts} == facts


def test_guatemala_has_the_families_and_communities_of_the_paper():
    data = load_dataset("guatemala")
    assert data["mom"].nunique() == 1595 and data["comm"].nunique() == 161
    assert data.groupby("mom")["comm"].nunique().max() == 1


def test_every_load_is_a_new_frame():
    first = load_dataset("epil")
    first["y"] = 0
    assert load_dataset("epil")["y"].sum() > 0


@pytest.mark.parametrize("name", list(DATASETS))
def test_each_has_a_citation_in_the_documentation(name):
    assert DATASETS[name].citation in load_dataset.__doc__
    assert not load_dataset(name).isna().all().any()


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(DataError, match="no data set 'Guatamala'") as caught:
        load_dataset("Guatamala")
    assert "Did you mean guatemala?" in caught.value.remedy
