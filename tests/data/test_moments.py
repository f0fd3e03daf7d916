"""Covariance matrices as articles print them, and fits of them."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

NAMES = ["x1", "x2", "x3", "x4"]
R = np.array([[1, 0.3, 0.4, 0.1], [0.3, 1, 0.5, 0.2], [0.4, 0.5, 1, -0.6], [0.1, 0.2, -0.6, 1]])
SDS = np.array([2.0, 0.5, 3.0, 1.5])


def written(matrix, lower, diagonal, separator):
    """The text of a triangle, row by row."""
    rows = []
    for i in range(len(matrix)):
        columns = range(i + diagonal) if lower else range(i + (not diagonal), len(matrix))
        rows.append(separator.join(str(matrix[i, j]) for j in columns))
    return "\n".join(rows)


@pytest.mark.parametrize("separator", [" ", ", ", ";", "\t"])
@pytest.mark.parametrize("diagonal", [True, False])
@pytest.mark.parametrize("lower", [True, False])
def test_a_triangle_is_the_symmetric_matrix(lower, diagonal, separator):
    text = written(R, lower, diagonal, separator)
    read = sg.covariance_matrix(text, NAMES, diagonal=diagonal, lower=lower)
    assert list(read.index) == list(read.columns) == NAMES
    np.testing.assert_array_equal(read, R)
    scaled = sg.covariance_matrix(text, NAMES, sds=SDS, diagonal=diagonal, lower=lower)
    np.testing.assert_allclose(scaled, R * np.outer(SDS, SDS), rtol=1e-15)


def test_a_triangle_without_names_is_numbered():
    assert list(sg.covariance_matrix(written(R, True, True, " "))) == ["V1", "V2", "V3", "V4"]


@pytest.mark.parametrize("sds", [SDS, list(SDS), pd.Series(SDS, NAMES)[::-1], dict(zip(NAMES, SDS))])
def test_correlations_become_covariances(sds):
    expected = R * np.outer(SDS, SDS)
    named = sg.covariance_matrix(pd.DataFrame(R, NAMES, NAMES), sds=sds)
    np.testing.assert_allclose(named.loc[NAMES, NAMES], expected, rtol=1e-15)
    plain = sg.covariance_matrix(R, NAMES, sds=sds)
    pd.testing.assert_frame_equal(plain, named)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"given": "1 2 3 4"}, "4 numbers are not the lower triangle"),
        ({"given": "1 2 3 4", "lower": False}, "4 numbers are not the upper triangle"),
        ({"given": "1 .5 1", "names": ["a"]}, "of 1 variables, which has 1"),
        ({"given": R, "names": NAMES[:3]}, "4 by 4 for 3 names"),
        ({"given": R, "lower": False}, "are for the text of a triangle"),
        ({"given": R + np.eye(4), "names": NAMES, "sds": SDS}, "no correlation matrix: 'x1' has 2 on the diagonal"),
        ({"given": R, "names": NAMES, "sds": {"x1": 1.0}}, "sds has no 'x2'"),
        ({"given": R, "names": NAMES, "sds": [1, 1, 0, 1]}, "the standard deviation of 'x3' is 0"),
        ({"given": np.triu(R), "names": NAMES}, "the matrix is not symmetric"),
    ],
)
def test_what_is_no_matrix_is_said(arguments, message):
    with pytest.raises(sg.DataError, match=message):
        sg.covariance_matrix(**arguments)


def test_correlations_and_standard_deviations_give_the_fit_of_the_rows():
    data = sg.load_dataset("holzinger")[["x1", "x2", "x3", "x4", "x5", "x6"]]
    model = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"
    rows = sg.cfa(model, data)
    corr = data.corr().to_numpy()
    for lower in (True, False):
        S = sg.covariance_matrix(written(corr, lower, True, " "), list(data), sds=data.std(), lower=lower)
        moments = sg.cfa(model, sample_cov=S, sample_nobs=len(data))
        assert moments.loglik == pytest.approx(rows.loglik, abs=1e-8)
        np.testing.assert_allclose(moments.parameters["se"], rows.parameters["se"], rtol=1e-6)
