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
        ("facial_burns", 77, {"Selfesteem": 2485, "HADS": 676, "Age": 3054, "Sex": 60 + 2 * 17}),
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


@pytest.mark.parametrize(
    ("name", "rows", "means"),
    [
        ("political_democracy", 75, {"y1": 5.465, "y5": 5.136, "x1": 5.054}),
        ("demo_growth", 400, {"t1": 0.595, "t4": 3.639, "c4": -0.018}),
        ("demo_twolevel", 2500, {"y1": 0.025, "y5": 0.078, "w2": -0.091}),
    ],
)
def test_rows_and_means(name, rows, means):
    data = load_dataset(name)
    assert len(data) == rows
    assert {column: data[column].mean() for column in means} == pytest.approx(means, abs=6e-4)


def test_covariates_of_clusters_are_constant_in_each():
    clusters = load_dataset("demo_twolevel").groupby("cluster")
    assert clusters.ngroups == 200
    assert (clusters[["w1", "w2"]].nunique() == 1).all(axis=None)
    assert clusters.size().min() == 5 and clusters.size().max() == 20


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
