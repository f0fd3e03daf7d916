"""Samples drawn from a model: at its parameters the score has mean zero, and the information for covariance matrix."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm.estimation.drawing import answered_by, independent_level, simulated
from semgllamm.estimation.resampling import Refit

N = 200


def scores(fit, n=N, seed=1):
    """The score of n samples of the fitted model at its estimates."""
    level = independent_level(fit.likelihood)
    task = Refit.of(fit.likelihood, fit.free, fit.points, None, level, "parametric")
    source, rng = task.likelihood(task.design, collapse=False), np.random.default_rng(seed)
    out = []
    for _ in range(n):
        likelihood = task.likelihood(simulated(source, fit.free, rng))
        likelihood.cold()
        out.append(likelihood.score(fit.free, fit.points)[1])
    return np.array(out)


def schools(n=12, seed=2):
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(n), 15)
    rows = len(school)
    data = pd.DataFrame({"school": school, "class": np.repeat(np.arange(3 * n), 5), "w": rng.normal(size=rows)})
    between = rng.normal(size=(3 * n, 2)) @ np.array([[0.7, 0.3], [0.0, 0.5]])
    school_part, b = 0.5 * rng.normal(size=n)[school], between[data["class"]]
    f = 0.5 * data["w"] + b[:, 0] + rng.normal(size=rows)
    for name, loading in (("g1", 1.0), ("g2", 0.8), ("g3", 1.2)):
        data[name] = loading * f + b[:, 1] * data["w"] + school_part + 0.6 * rng.normal(size=rows)
        data.loc[rng.random(rows) < 0.15, name] = np.nan
    data["k1"] = (0.8 * between[:, 1] + 0.4 * rng.normal(size=3 * n))[data["class"]]
    data.loc[data["class"] == 4, "k1"] = np.nan
    return data


NESTED = {
    "three levels": "f =~ g1 + g2 + g3\nf ~ w\n@level(class)\nf ~~ f\nk1 ~ 1\n@level(school)\nf ~~ f",
    "slopes": 'f =~ g1 + g2 + g3\nf ~ w + rv("s")*w\n@level(class)\ns ~~ f + s\nf ~~ f\nk1 ~ s',
}


@pytest.mark.parametrize("model", NESTED)
def test_scores_of_nested_units(model):
    fit = sg.fit(NESTED[model], schools())
    assert fit.converged
    expected = fit.likelihood.information(fit.free, expected=True)
    drawn = scores(fit)
    z = drawn.mean(axis=0) / np.sqrt(np.diag(expected) / N)
    assert np.abs(z).max() < 4
    ratio = np.diag(np.cov(drawn, rowvar=False)) / np.diag(expected)
    # variances of N normal scores have a relative standard error of 0.08, of squares somewhat more
    assert ratio == pytest.approx(np.ones(len(ratio)), abs=0.4)
    assert ratio.mean() == pytest.approx(1.0, abs=0.15)


def pairs(n=60, seed=3):
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(n), 4)
    u = rng.normal(size=n)[unit]
    x, z = rng.normal(size=(2, len(unit)))
    e = rng.normal(size=(len(unit), 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    y1 = 0.5 * x + u + e[:, 0]
    y2 = 0.4 * z + 0.5 * u + e[:, 1]
    y1, y2 = np.linalg.solve(np.array([[1.0, -0.3], [-0.2, 1.0]]), np.stack([y1, y2]))
    count = rng.poisson(np.exp(0.2 + 0.2 * y1))
    return pd.DataFrame({"unit": unit, "x": x, "z": z, "y1": y1, "y2": y2, "count": count})


ENGINE = {
    "residuals that covary": "y1 ~ x + (1 | unit)\ny2 ~ z + (1 | unit)\ny1 ~~ y2",
    "feedback": "y1 ~ x + y2 + (1 | unit)\ny2 ~ z + y1",
    "a cause that is drawn": "y1 ~ x + (1 | unit)\ny2 ~ y1 + z\ncount ~ y2",
}


@pytest.mark.parametrize("model", ENGINE)
def test_scores_of_the_engine(model):
    text = ENGINE[model]
    fit = sg.fit(text, pairs(), family={"count": "poisson"} if "count" in text else None)
    assert fit.converged
    drawn = scores(fit)
    # the slope of a standard deviation of zero is zero
    inside = drawn.std(axis=0) > 0
    drawn = drawn[:, inside]
    assert np.abs(drawn.mean(axis=0) / drawn.std(axis=0) * np.sqrt(N)).max() < 4
    # the variance of the score is the information, here that of the estimates
    observed = np.diag(fit.information)[inside]
    assert (drawn.var(axis=0) / observed).mean() == pytest.approx(1.0, abs=0.3)


def test_what_is_drawn_goes_to_the_rows_of_another_model():
    data = schools()
    small = sg.fit("g1 ~ w\n@level(class)\ng1 ~~ g1", data)
    large = sg.fit("g1 ~ w\n@level(class)\ng1 ~~ g1\n@level(school)\ng1 ~~ g1", data.sample(frac=1, random_state=1))
    drawn = simulated(small.likelihood, small.free, np.random.default_rng(1))
    # the rows of both are found by what is in them
    other = sg.fit("g1 ~ w\n@level(class)\ng1 ~~ g1\n@level(school)\ng1 ~~ g1", data)
    moved = answered_by(drawn, other.design, other.model, True)
    by_row = {design.kept[row]: y for design in (drawn,) for b in design.blocks for row, y in zip(b.rows, b.y)}
    again = {moved.kept[row]: y for b in moved.blocks for row, y in zip(b.rows, b.y)}
    assert by_row == again
    assert other.loglik == pytest.approx(large.loglik, rel=1e-9)


def test_likelihood_ratios_of_a_variance_on_its_boundary():
    """With nothing between schools half of the ratios are near zero, so that the bootstrap halves the p-value."""
    data = schools()
    small = sg.fit("g1 ~ w + (1 | class)", data)
    large = sg.fit("g1 ~ w + (1 | class) + (1 | school)", data)
    table = sg.compare(small, large, method="bootstrap", n=60, seed=1, workers=1)
    by_chi_square = sg.compare(small, large)
    assert 0 <= table["pvalue"].iloc[1] <= by_chi_square["pvalue"].iloc[1] + 0.1


def test_likelihood_ratios_of_nested_units():
    data = schools()
    fits = [sg.fit(text, data) for text in ("g1 ~ w\n@level(class)\ng1 ~~ g1", "g1 ~ 0*w\n@level(class)\ng1 ~~ g1")]
    first = sg.compare(*fits, method="bootstrap", n=20, seed=1, workers=1)
    again = sg.compare(*fits, method="bootstrap", n=20, seed=1, workers=1)
    assert first["pvalue"].iloc[1] == again["pvalue"].iloc[1]
    assert first["pvalue"].iloc[1] == 0.0  # w has an effect


def test_standard_errors_of_bootstrap_have_a_seed():
    data = pairs(20)[["x", "y1"]]
    errors = [
        sg.fit("y1 ~ x", data, se="bootstrap", settings=sg.Settings(seed=seed)).vcov().to_numpy() for seed in (1, 1, 2)
    ]
    assert (errors[0] == errors[1]).all()
    assert (errors[0] != errors[2]).any()
    with pytest.raises(sg.SemgllammError, match="setting 'seed' is -1"):
        sg.Settings(seed=-1)
