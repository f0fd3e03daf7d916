"""Statistics of the data among those of data that the fit draws."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg


def dispersion(frame):
    return frame["y"].var() / frame["y"].mean()


def test_more_variance_than_a_poisson_model_has_is_found():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"y": rng.negative_binomial(2, 0.4, 300)})
    poisson, right = (sg.fit("y ~ 1", data, family=family) for family in ("poisson", "nbinom2"))
    row = poisson.predictive_check(dispersion, n=99, seed=1).iloc[0]
    assert row["pvalue"] == pytest.approx(0.01) and row["observed"] == pytest.approx(dispersion(data))
    assert row["mean"] == pytest.approx(1.0, abs=0.03) and row["observed"] > row["upper"] > 1 > row["lower"]
    assert 0.05 < right.predictive_check(dispersion, n=99, seed=1)["pvalue"].iloc[0] < 0.95


def test_statistics_with_names_and_draws_that_are_the_same():
    fit = sg.fit("y ~ 1 + (1 | subject) @family(poisson)", sg.load_dataset("epil"))

    def zeros(frame):
        return frame.groupby("trt")["y"].apply(lambda y: (y == 0).mean())

    one, other = (fit.predictive_check(zeros, n=20, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    assert list(one.index) == sorted(sg.load_dataset("epil")["trt"].unique())
    assert (one["lower"] <= one["mean"]).all() and (one["mean"] <= one["upper"]).all()


def test_what_is_no_statistic():
    fit = sg.fit("y ~ 1 @family(poisson)", sg.load_dataset("epil"))
    with pytest.raises(sg.ModelError, match="a statistic is a number"):
        fit.predictive_check(lambda frame: "many", n=3)
    with pytest.raises(sg.ModelError, match="positive whole number"):
        fit.predictive_check(dispersion, n=0)
