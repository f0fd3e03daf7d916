"""Bad input of Gaussian models, moments and switches: what is refused or warned about, and in which words."""

import warnings

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm import DataError, ModelError, SemgllammWarning
from semgllamm.data.datasets import load_dataset

CFA = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6"
DATA = load_dataset("holzinger")
ITEMS = [f"x{k}" for k in range(1, 10)]
COV, MEAN, N = DATA[ITEMS].cov(), DATA[ITEMS].mean(), len(DATA)
TWO = load_dataset("demo_twolevel")


def changed(**columns):
    return DATA.assign(**columns)


def with_cells(*cells, value):
    S = COV.copy()
    for i, j in cells:
        S.loc[i, j] = value
    return S


# ------------------------------------------------------------------------------------------------ sample moments

MOMENTS = {
    "no number of rows": ({"sample_cov": COV}, "without sample_nobs"),
    "moments and rows": ({"data": DATA, "sample_cov": COV, "sample_nobs": N}, "both data and sample_cov"),
    "means alone": ({"sample_mean": MEAN, "sample_nobs": N}, "sample_mean is given without sample_cov"),
    "not symmetric": (
        {"sample_cov": with_cells(("x1", "x2"), value=0.9), "sample_nobs": N}, "not symmetric: it is 0.9 at 'x1', 'x2'",
    ),
    "not positive definite": (
        {"sample_cov": with_cells(("x4", "x5"), ("x5", "x4"), value=1.9), "sample_nobs": N},
        r"not positive definite: its correlation matrix has the eigenvalue -0\.\d+, at x4, x5",
    ),
    "singular": (
        {"sample_cov": changed(x6=DATA.x4 + DATA.x5)[ITEMS].cov(), "sample_nobs": N},
        "singular: its correlation matrix has the eigenvalue .*, at x4, x5, x6",
    ),
    "no variance": ({"sample_cov": with_cells(("x3", "x3"), value=0.0), "sample_nobs": N}, "variance of 'x3' .* is 0"),
    "no names": ({"sample_cov": COV.to_numpy(), "sample_nobs": N}, "sample_cov has no names"),
    "names twice": (
        {"sample_cov": COV.set_axis(["x1", *ITEMS[:-1]], axis=1).set_axis(["x1", *ITEMS[:-1]]), "sample_nobs": N},
        "sample_cov has 'x1' twice",
    ),
    "unknown name": (
        {"sample_cov": COV.rename(index={"x4": "X4"}, columns={"x4": "X4"}), "sample_nobs": N}, "(?s)'x4'.*X4",
    ),
    "rows and columns differ": ({"sample_cov": COV.rename(index={"x4": "z"}), "sample_nobs": N}, "but not both"),
    "means too short": (
        {"sample_cov": COV, "sample_mean": [1.0, 2.0], "sample_nobs": N}, "2 values for the 9 variables",
    ),
    "no mean of a variable": (
        {"sample_cov": COV, "sample_mean": MEAN.drop("x5"), "sample_nobs": N}, "sample_mean has no 'x5'",
    ),
    "too few rows": ({"sample_cov": COV, "sample_nobs": 6}, "6 rows are too few for 6 variables"),
    "part of a row": ({"sample_cov": COV, "sample_nobs": 30.5}, "sample_nobs is 30.5"),
    "groups that differ in number": (
        {"sample_cov": [COV, COV], "sample_nobs": [100, 100, 100]}, "sample_nobs has 3 entries for 2 groups",
    ),
    "a group without number": (
        {"sample_cov": {"a": COV, "b": COV}, "sample_nobs": {"a": 100}}, "nothing for group 'b'",
    ),
    "clusters": ({"sample_cov": COV, "sample_nobs": N, "cluster": "school"}, "clusters need rows"),
    "missing values": ({"sample_cov": COV, "sample_nobs": N, "missing": "ml"}, "missing='ml' needs rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", MOMENTS)
def test_moments_are_refused(case):
    arguments, message = MOMENTS[case]
    with pytest.raises(DataError, match=message):
        sg.cfa(CFA, **arguments)


def test_a_product_needs_rows():
    with pytest.raises(ModelError, match="product x2:x3 needs rows"):
        sg.sem("x1 ~ x2:x3", sample_cov=COV, sample_nobs=N)


def test_predictions_need_rows():
    with pytest.raises(DataError, match="need rows of data"):
        sg.cfa(CFA, sample_cov=COV, sample_nobs=N).latent()


def test_intercepts_without_means_are_warned_about():
    with pytest.warns(SemgllammWarning, match="sample_mean is not given"):
        sg.cfa(CFA, sample_cov=COV, sample_nobs=N, meanstructure=True)


def test_moments_are_as_good_as_rows():
    by_rows = sg.cfa(CFA, DATA, meanstructure=True)
    turned = COV.loc[ITEMS[::-1], ITEMS[::-1]]
    by_moments = sg.cfa(CFA, sample_cov=turned, sample_mean=MEAN, sample_nobs=N)
    assert by_moments.loglik == pytest.approx(by_rows.loglik, rel=1e-12)
    pd.testing.assert_series_equal(by_moments.coef, by_rows.coef, rtol=1e-7)


def test_the_order_of_groups_of_moments():
    parts = {label: part[ITEMS] for label, part in DATA.groupby("school")}
    moments = {
        "sample_cov": {k: v.cov() for k, v in parts.items()}, "sample_mean": {k: v.mean() for k, v in parts.items()},
        "sample_nobs": {k: len(v) for k, v in parts.items()},
    }  # fmt: skip
    order = ["Pasteur", "Grant-White"]
    one, other = sg.cfa(CFA, **moments, group_label=order), sg.cfa(CFA, DATA, group="school", group_label=order)
    assert one.model.group_labels == other.model.group_labels == tuple(order)
    assert one.loglik == pytest.approx(other.loglik, rel=1e-12)


def test_a_triangle_is_read():
    S = sg.covariance_matrix(".5, .25\n .125", ["a", "b", "c"], sds=[1, 2, 4], diagonal=False)
    np.testing.assert_allclose(S, [[1, 1, 1], [1, 4, 1], [1, 1, 16]])
    assert list(S.columns) == list(S.index) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "text, arguments, message",
    [
        ("1 .5 x", {}, "'x' in the text"),
        ("1 .5 1 .2", {}, "4 numbers are not the lower triangle"),
        ("1 .5 1", {"names": ["a", "b", "c"]}, "3 numbers .* of 3 variables, which has 6"),
        ("1 .5 1", {"names": ["a", "a"]}, "'a' twice"),
        ("1 .5 1", {"sds": [1]}, "1 standard deviations for 2 variables"),
        ("1 .5 1", {"sds": [1, -2]}, "standard deviation of 'V2' is -2"),
        ("4 .5 1", {"sds": [1, 2]}, "no correlation matrix: 'V1' has 4"),
    ],
)
def test_a_text_that_is_no_triangle(text, arguments, message):
    with pytest.raises(DataError, match=message):
        sg.covariance_matrix(text, **arguments)


# ------------------------------------------------------------------------------------------------ rows


def small(n):
    return DATA.iloc[:n]


def one_group_of(n, **columns):
    """The first group whole and n rows of the second."""
    labels = list(dict.fromkeys(DATA.school))
    parts = DATA[DATA.school == labels[0]], DATA[DATA.school == labels[1]].iloc[:n].assign(**columns)
    return pd.concat(parts)


ROWS = {
    "constant": (CFA, changed(x2=3.0), {}, "'x2' is constant"),
    "collinear": (CFA, changed(x6=DATA.x4 + DATA.x5), {}, "x4, x5, x6 are collinear"),
    "determined by a covariate": ("x1 ~ z", changed(z=2 * DATA.x1), {}, "'x1' is a combination of the"),
    "constant in a group": (
        CFA, one_group_of(100, x2=1.5), {"group": "school"}, "'x2' does not vary in group 'Grant-White'",
    ),
    "empty group": (CFA, one_group_of(100, x2=np.nan), {"group": "school"}, "group 'Grant-White' has no complete row"),
    "unknown group": (CFA, DATA, {"group": "school", "group_label": ["Pastor"]}, "has no 'Pastor'"),
    "groups without column": (CFA, DATA, {"group_label": ["Pasteur"]}, "no group column"),
    "wishart in clusters": (
        "level: 1\nf =~ y1 + y2 + y3\nlevel: 2\nfb =~ y1 + y2 + y3", TWO,
        {"cluster": "cluster", "likelihood": "wishart"}, "rows of one level",
    ),
    "of clusters, at level 1": (
        "level: 1\nf =~ y1 + y2 + w1\nlevel: 2\ng =~ y1 + y2 + w1", TWO, {"cluster": "cluster"},
        "'w1' does not vary within 'cluster'",
    ),
    "of rows, at level 2": (
        "level: 1\nf =~ y1 + y2 + y3\nlevel: 2\ny1 ~~ x1", TWO, {"cluster": "cluster"}, "'x1' varies within 'cluster'",
    ),
    "single rows": (
        "level: 1\nf =~ y1 + y2 + y3\nlevel: 2\ng =~ y1 + y2 + y3", TWO.assign(cluster=np.arange(len(TWO))),
        {"cluster": "cluster"}, "each 'cluster' has a single row",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
def test_rows_are_refused(case):
    model, data, arguments, message = ROWS[case]
    with pytest.raises(DataError, match=message), warnings.catch_warnings():
        warnings.simplefilter("ignore", SemgllammWarning)
        sg.sem(model, data, **arguments)


def test_some_single_rows_are_no_matter():
    first = TWO.groupby("cluster").cumcount()
    data = TWO[(TWO.cluster > 20) | (first == 0)]
    fit = sg.sem("level: 1\nf =~ y1 + y2 + y3\nlevel: 2\ng =~ y1 + y2 + y3", data, cluster="cluster")
    assert fit.converged


def test_fewer_rows_than_variables_are_named():
    with pytest.warns(SemgllammWarning, match="8 rows for 9 variables in group 'Grant-White'"):
        sg.cfa(
            "f =~ " + " + ".join(ITEMS), one_group_of(8), group="school",
            group_equal=["loadings", "intercepts", "residuals", "lv.variances"],
        )  # fmt: skip


def test_negative_variances_are_named_and_fitted():
    rng = np.random.default_rng(3)
    f, e = rng.normal(size=400), rng.normal(size=(400, 3))
    data = pd.DataFrame({"a": f + 0.1 * e[:, 0], "b": f + e[:, 1], "c": e[:, 2] + 0.05 * f})
    S = data.cov()
    S.loc["a", "c"] = S.loc["c", "a"] = 0.1
    S.loc["b", "c"] = S.loc["c", "b"] = 0.05
    with pytest.warns(SemgllammWarning, match=r"residual variances are negative: a \(-"):
        fit = sg.cfa("f =~ a + b + c", sample_cov=S, sample_nobs=400)
    assert fit.converged and "negative: a" in " ".join(str(fit.summary()).split())


# ------------------------------------------------------------------------------------------------ switches

SWITCHES = {
    "std_lv": (CFA, {"std_lv": True}, "f=~x1"),
    "auto_fix_first": (CFA + "\nf ~~ 1*f\ng ~~ 1*g", {"auto_fix_first": False}, "f=~x1"),
    "auto_fix_single": ("f =~ x1\nf ~~ 1*f\ng =~ x4 + x5 + x6", {"auto_fix_single": False}, "x1~~x1"),
    "auto_cov_lv_x": (CFA, {"auto_cov_lv_x": False}, "f~~g"),
    "auto_cov_y": ("x1 + x2 ~ x3", {"auto_cov_y": False}, "x1~~x2"),
    "orthogonal": (CFA, {"orthogonal": True}, "f~~g"),
    "orthogonal_x": (CFA, {"orthogonal_x": True}, "f~~g"),
    "orthogonal_y": (CFA + "\nf + g ~ x9", {"orthogonal_y": True}, "f~~g"),
    "meanstructure": (CFA, {"meanstructure": True}, "x1~1"),
    "int_ov_free": ("x1 ~ x2", {"meanstructure": True, "int_ov_free": False}, None),
    "int_lv_free": (CFA + "\nx1 ~ 0*1\nx4 ~ 0*1", {"int_lv_free": True}, "f~1"),
    "fixed_x": ("x1 ~ x2", {"fixed_x": False}, "x2~~x2"),
    "effect_coding": (CFA, {"effect_coding": "loadings"}, "f=~x1"),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_frees_or_fixes(switch):
    """Each is there or not by the switch, and the number of parameters is that of the table."""
    model, switched, name = SWITCHES[switch]
    common = {k: v for k, v in switched.items() if k != switch}
    before = set(sg.sem(model, DATA, **common).coef.index)
    after = set(sg.sem(model, DATA, **switched).coef.index)
    assert before != after
    if name is not None:
        assert name in before ^ after


def test_without_automatic_variances_nothing_varies():
    with pytest.raises(ModelError, match="no variation to a combination"):
        sg.sem("x1 ~ x2", DATA, auto_var=False)


def test_lavaan_adds_nothing():
    fit = sg.lavaan("f =~ 1*x1 + x2 + x3\nf ~~ f\nx1 ~~ x1\nx2 ~~ x2\nx3 ~~ x3", DATA)
    assert fit.npar == 6
    assert fit.loglik == pytest.approx(sg.cfa("f =~ x1 + x2 + x3", DATA).loglik, rel=1e-9)


def test_start_values_are_where_the_search_begins():
    fit = sg.cfa(CFA, DATA)
    again = sg.cfa(CFA, DATA, start=dict(fit.coef))
    assert again.convergence.iterations < fit.convergence.iterations
    assert again.loglik == pytest.approx(fit.loglik, rel=1e-12)


def test_incomplete_rows_are_counted():
    data = DATA.copy()
    data.loc[data.index[:7], "x1"] = np.nan
    listwise, full = sg.cfa(CFA, data), sg.cfa(CFA, data, missing="ml")
    assert (listwise.nobs, full.nobs) == (N - 7, N)
    assert "294" in str(listwise.summary()) and "listwise" in str(listwise.summary())


def test_ordinal_responses_are_fitted_by_maximum_likelihood():
    data = DATA.assign(**{name: pd.qcut(DATA[name], 3, labels=False) for name in ("x1", "x2", "x3")})
    fit = sg.cfa("f =~ x1 + x2 + x3", data, ordered=["x1", "x2", "x3"], quadrature=sg.Adaptive(5))
    text = str(fit.summary())
    assert "ordinal(probit)" in text and "ML" in text and "quadrature" in text


def test_a_composite_without_scale():
    with pytest.raises(ModelError, match="composite 'c' has no scale"):
        sg.sem("c <~ x1 + x2\nx3 ~ c", DATA)
