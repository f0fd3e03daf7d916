"""Dispersions and inflations as parameters: their rows, their names, and how they are printed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm.errors import ModelError
from semgllamm.stages import matrices_text

DATA = pd.read_csv(Path(__file__).parents[1] / "reference" / "families" / "data.csv")


@pytest.fixture(scope="module")
def fit():
    text = "y + zinb ~ x\n@family(y, gamma)\n@family(zinb, zinbinom2)\n@dispersion(y ~ z)\n@inflation(zinb ~ a*z)"
    return sg.fit(text, DATA)


def test_rows_say_who_wrote_them(fit):
    rows = fit.parameters
    own = rows[rows.op.str.startswith("@")]
    assert set(own.lhs + own.op + own.rhs) == {
        "y@dispersion~z", "y@dispersion~1", "zinb@dispersion~1", "zinb@inflation~z", "zinb@inflation~1",
    }  # fmt: skip
    assert fit.coef["a"] == own.est[(own.lhs == "zinb") & (own.rhs == "z")].iloc[0]


def test_they_are_printed_with_what_they_are(fit):
    text = str(fit.summary())
    assert text.index("Dispersions (log):") < text.index("y ~ z") < text.index("Zeros (logit):")
    assert "y@dispersion is the logarithm of the dispersion 1/shape of y" in text
    shown = matrices_text(fit.model)
    assert "α: log dispersions" in shown and "ϱ: logits of inflation" in shown


def test_they_can_be_constrained_and_defined():
    held = sg.fit("nb ~ x  @family(nbinom2)\n`nb@dispersion~1` == 0.5\nk := exp(`nb@dispersion~1`)", DATA)
    rows = held.parameters
    assert rows.est[rows.lhs == "k"].iloc[0] == pytest.approx(np.exp(0.5), abs=1e-10)
    assert rows.est[rows.op == "@dispersion~1"].iloc[0] == pytest.approx(0.5, abs=1e-12)


def test_without_an_intercept():
    rows = sg.fit("y ~ x  @family(gamma) @dispersion(0 + z)", DATA).parameters
    own = rows[rows.op.str.startswith("@")]
    assert list(own.est[own.op == "@dispersion~1"]) in ([], [0.0])
    assert (own.op == "@dispersion~").sum() == 1


def test_a_variance_and_a_dispersion_are_one_too_many():
    with pytest.raises(ModelError, match="'g' has a variance here and a @dispersion"):
        sg.fit("g ~ x\ng ~~ g\n@dispersion(g ~ z)", DATA)


def test_constant_log_variance_is_the_residual_variance():
    by_log = sg.fit("g ~ x\n@dispersion(g ~ 1)", DATA)
    plain = sg.fit("g ~ x", DATA)
    assert by_log.loglik == pytest.approx(plain.loglik, abs=1e-8)
    assert np.exp(by_log.coef["g@dispersion~1"]) == pytest.approx(plain.coef["g~~g"], abs=1e-6)


def test_effects_on_thresholds_scales_and_asymptotes_are_printed_and_in_the_matrices():
    rng = np.random.default_rng(5)
    x, g = rng.normal(size=300), np.repeat(np.arange(30), 10)
    data = pd.DataFrame({"x": x, "g": g, "u": np.digitize(x + rng.logistic(size=300), [-0.7, 0.9])})
    fit = sg.fit("u ~ (1 | g)  @family(ordinal) @dispersion(x)\n@thresholds(u ~ x)", data)
    text = str(fit.summary())
    assert text.index("Effects on Thresholds:") < text.index("u|t1 ~ x") < text.index("Dispersions (log):")
    assert "α1 = u@dispersion~x" in matrices_text(fit.model) and "·x + κ" in matrices_text(fit.model)
    assert "u" not in set(fit.icc().response), "the variance of its latent response differs over rows"
    lower = sg.fit("b ~ z  @family(bernoulli) @guessing(-3*1)", DATA)
    assert "Lower Asymptotes (logit):" in str(lower.summary())
    assert "c: logits of guessing" in matrices_text(lower.model)
