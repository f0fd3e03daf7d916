"""Classes and answers that are drawn have the probabilities of the model, and given the answers their posterior."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from test_class_predictions import answers_in_classes, factor_in_classes, schools_and_pupils

import semgllamm as sg
from semgllamm.errors import DataError, ModelError

TEXT = """
@latent(c, classes(2))
c =~ u1 + u2 + y
@family(u1 + u2, bernoulli(logit))
c ~ 0.5*1 + 1*x
@class(c, 1)
u1 ~ -1*1
u2 ~ -0.5*1
y ~ 2*1
@class(c, 2)
u1 ~ 1*1
u2 ~ 2*1
y ~ start(-1)*1
"""


def near(share: float, n: int) -> object:
    return pytest.approx(share, abs=4 * 0.5 / n**0.5)


def test_shares_of_classes_and_answers_are_those_of_the_values():
    made = sg.simulate(TEXT, n_units=8000, values={"y~~y": 0.25}, seed=1, classes=True)
    p = expit(0.5 + made["x"])
    first = made["c"] == "1"
    assert first.mean() == near(p.mean(), 8000)
    assert (first * made["x"]).mean() == pytest.approx((p * made["x"]).mean(), abs=4 / 8000**0.5)
    for klass, u1, u2, y in (("1", -1, -0.5, 2), ("2", 1, 2, -1)):
        mine = made[made["c"] == klass]
        assert mine["u1"].mean() == near(expit(u1), len(mine))
        assert mine["u2"].mean() == near(expit(u2), len(mine))
        assert mine["y"].mean() == near(y, len(mine))
        assert mine["y"].var() == pytest.approx(0.25, rel=4 * (2 / len(mine)) ** 0.5)
        # independent within a class
        assert abs(mine[["u1", "u2", "y"]].corr().to_numpy()[np.triu_indices(3, 1)]).max() < 4 / len(mine) ** 0.5
    pd.testing.assert_frame_equal(made.drop(columns="c"),
                                  sg.simulate(TEXT, n_units=8000, values={"y~~y": 0.25}, seed=1))  # fmt: skip


def test_classes_below_a_random_intercept_are_drawn():
    text = "@latent(c, classes(2))\nc ~ 1 + (1 | s)\nc =~ u1 + u2  @family(bernoulli(logit))"
    values = {"u1~1.c1": 3.0, "u1~1.c2": -3.0, "u2~1.c1": 3.0, "u2~1.c2": -3.0, "c[1]~1": 0.0,
              "s.intercept~~s.intercept": 4.0}  # fmt: skip
    made = sg.simulate(text, n_units={"s": 300, "row": 10}, values=values, seed=2)
    z = np.linspace(-8, 8, 2001)
    within = np.average(expit(2 * z) * (1 - expit(2 * z)), weights=np.exp(-(z**2) / 2))
    # u1 = 1 with probability ½ ± (expit(3) − ½) in the classes, and these vary within a unit by p(1 − p)
    expected = expit(3) * expit(-3) + (2 * expit(3) - 1) ** 2 * within
    found = made.groupby("s")["u1"].var(ddof=1)
    assert found.mean() == pytest.approx(expected, abs=4 * found.std() / 300**0.5)
    with pytest.raises(ModelError, match="not available yet"):
        sg.simulate(text, n_units={"s": 5, "row": 4}, values=values, classes=True)


def test_what_is_not_drawn_is_refused():
    with pytest.raises(ModelError, match=r"have no value: u1~1.c1, u1~1.c2"):
        sg.simulate("@latent(c, classes(2))\nc =~ u1  @family(bernoulli(logit))", n_units=10)
    with pytest.raises(ModelError, match="no classes to be drawn"):
        sg.simulate("y ~ 1*x", n_units=10, classes=True)
    with pytest.raises(DataError, match="a column 'c' already"):
        sg.simulate(TEXT, pd.DataFrame({"x": [0.1, 0.2, 0.3], "c": 0}), classes=True)
    with pytest.raises(ModelError, match="whole number from 1"):
        answers_in_classes()[0].plausible_classes(0)
    with pytest.raises(ModelError, match="no categorical latent variable"):
        sg.fit("x1 ~ x2", sg.load_dataset("holzinger")).plausible_classes()


def test_plausible_classes_have_posterior_probabilities():
    fit, _ = answers_in_classes()
    n = 400
    drawn = fit.plausible_classes(n, seed=3)
    assert drawn.index.names[0] == "draw" and len(drawn) == n * 250
    share = (drawn["c"] == "1").groupby(level=1).mean().to_numpy()
    p = fit.class_probabilities()["c=1"].to_numpy()
    z = (share - p) / np.sqrt(np.maximum(p * (1 - p), 1e-9) / n)
    assert np.abs(z).max() < 4.5
    assert 0.7 < (z**2).mean() < 1.3
    assert list(fit.plausible_classes(seed=3)["c"]) == list(drawn.loc[1, "c"])


def test_plausible_classes_of_two_levels_go_together():
    fit, data = schools_and_pupils()
    n = 300
    drawn = fit.plausible_classes(n, seed=4)
    school = np.tile(data["school"].to_numpy(), n)
    assert drawn["d"].groupby([drawn.index.get_level_values(0), school]).nunique().max() == 1
    for name in ("c", "d"):
        share = (drawn[name] == "1").groupby(level=1).mean().to_numpy()
        p = fit.class_probabilities(name)[f"{name}=1"].to_numpy()
        p = p if name == "c" else p[data["school"].to_numpy()]
        assert np.abs(share - p).max() < 4.5 * 0.5 / n**0.5


def test_answers_of_drawn_classes_are_those_that_are_predicted():
    fit, _ = answers_in_classes()
    made = fit.simulate(150, seed=5, latent="posterior")
    share = made[["u1", "u2", "u3", "u4"]].groupby(level=1).mean()
    p = fit.predict(kind="mean")
    assert np.abs((share - p) / np.sqrt(p * (1 - p) / 150)).to_numpy().max() < 4.8


def test_factors_are_drawn_inside_the_classes_that_are_drawn():
    fit, _ = factor_in_classes()
    scores = fit.latent()
    drawn = fit.latent("plausible", n=300, seed=6)["f"].groupby(level=1)
    z = (drawn.mean().to_numpy() - scores["f"].to_numpy()) / (scores["f.se"].to_numpy() / 300**0.5)
    assert np.abs(z).max() < 4.5
    np.testing.assert_allclose(drawn.std(), scores["f.se"], rtol=0.25)
    # and their answers have the posterior predictive mean
    made = fit.simulate(100, seed=7, latent="posterior").groupby(level=1)
    error = (made.mean() - fit.predict(kind="mean")) / (made.std() / 100**0.5)
    assert np.abs(error).to_numpy().max() < 5
    for arguments in ({"kind": "mode"}, {"disturbances": True}, {"se": "diagnostic"}):
        with pytest.raises(ModelError, match="with classes there are posterior means"):
            fit.latent(**arguments)
