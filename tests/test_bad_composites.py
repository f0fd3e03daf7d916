"""Composite links that cannot be: refused by name, with a remedy."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm import DataError, EstimationError, ModelError, ModelSyntaxError

SUM = "y ~ x  @family(poisson)\n@composite(y, case=id, weight=w)"


def sample() -> pd.DataFrame:
    """Twenty cases of two rows, two cases a person."""
    rng = np.random.default_rng(1)
    case = np.repeat(np.arange(20), 2)
    data = pd.DataFrame({"id": case + 100, "other": case, "person": case // 2, "x": rng.normal(size=40), "w": 1.5})
    data["y"] = np.repeat(rng.poisson(4.0, 20), 2).astype(float)
    data["z"] = np.repeat(rng.normal(size=20), 2)
    data["n"] = 9.0
    return data


DATA = sample()


def put(column, value, *rows) -> pd.DataFrame:
    data = DATA.copy()
    data.loc[list(rows), column] = value
    return data


REFUSED = {
    # the data
    "two values": (SUM, put("y", 77.0, 3), DataError, ("case 101 of 'y'", "and 77", "one of its rows")),
    "no case": (SUM, put("id", np.nan, 7), DataError, ("'id' is missing in row 7", "a part of 'y'")),
    "negative weight": (SUM, put("w", -0.5, 4), DataError, ("weight 'w'", "row 4", "no weight in a mean")),
    "infinite weight": (SUM, put("w", np.inf, 4), DataError, ("weights 'w'", "row 4", "infinite")),
    "no weight": (SUM, put("w", np.nan, 4), DataError, ("weight 'w'", "row 4")),
    "nothing but zeros": (SUM, put("w", 0.0, 4, 5), DataError, ("all weights 'w' of case 102 of 'y' are 0",)),
    "no value at all": (SUM, DATA.assign(y=np.nan), DataError, ("'y'",)),
    "a case of two persons": (f"{SUM}\ny ~ (1 | person)", put("person", 30, 4), DataError,
                              ("case 102 of 'y'", "more than one 'person'")),
    "an impossible value": (SUM, put("y", -1.0, 2, 3), DataError, ("'y'", "negative")),
    "trials that differ": (SUM.replace("poisson", "binomial") + "\n@trials(y, n)", put("n", 10.0, 4), DataError,
                           ("@trials of 'y'", "case 102")),
    "unknown column of weights": (SUM.replace("weight=w", "weight=ww"), DATA, DataError, ("'ww'", "line 2", "'w'")),
    "unknown column of cases": (SUM.replace("case=id", "case=idd"), DATA, DataError, ("'idd'", "line 2")),
    "a dispersion that differs": (SUM.replace("poisson", "nbinom2") + "\n@dispersion(y ~ x)", DATA, DataError,
                                  ("'x' in @dispersion of 'y'", "case 1")),
    # the model
    "no mean to be summed": (SUM.replace("poisson", "ordinal"), DATA, ModelError,
                             ("ordinal", "line 2", "gaussian, bernoulli")),
    "a shape": (SUM.replace("poisson", "beta"), DATA, ModelError, ("beta", "line 2")),
    "an asymptote": (SUM.replace("poisson", "bernoulli") + "\n@guessing(y ~ 1)", DATA, ModelError,
                     ("bernoulli3pl", "line 2")),
    "excess zeros": (SUM + "\n@inflation(y ~ 1)", DATA, ModelError, ("zipoisson", "line 2")),
    "a factor of rows": (f"{SUM}\ny ~ f\nf =~ 0", DATA, ModelError, ("'f' varies over rows", "@level(id)")),
    "no response": (SUM.replace("(y, case", "(z, case"), DATA, ModelError,
                    ("'z'", "response of no statement", "line 2")),
    "a choice": (SUM + "\n@alternatives(y, case=id, alternative=x)", DATA, ModelError, ("y", "@alternatives")),
    "other cases": (SUM + "\nz ~ x\n@composite(z, case=other)", DATA, ModelError, ("'z'", "other", "id")),
    "a residual covariance": ("y ~ x\nz ~ x\ny ~~ z\n@composite(y, case=id)", DATA, ModelError, ("'y'", "@composite")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_place_and_remedy(case):
    model, data, kind, said = REFUSED[case]
    with pytest.raises(kind) as caught:
        sg.fit(model, data, progress=False)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize("written", ["@composite(y)", "@composite(y, weight=w)", "@composite(y, case=id, by=w)"])
def test_a_sentence_that_says_too_little_is_refused(written):
    with pytest.raises(ModelSyntaxError, match="@composite"):
        sg.fit(f"y ~ x\n{written}", DATA)


@pytest.mark.parametrize("kind", ["ordinary", "parametric"])
def test_bootstrap_samples_are_refused_by_name(kind):
    fit = sg.fit(SUM, DATA, progress=False)
    with pytest.raises(EstimationError, match="'y' has @composite, of which no samples are drawn"):
        fit.bootstrap(n=2, kind=kind)


def test_a_case_without_value_is_missing_and_counted():
    fit = sg.fit(SUM, put("y", np.nan, 4, 5), progress=False)
    assert fit.nobs == 19
    assert dict(fit.design.left_out) == {"no response": 2}


def test_final_dependents_do_not_covary_by_themselves():
    fit = sg.fit("y ~ x\nz ~ x\n@composite(y, case=id)", DATA, progress=False)
    rows = fit.parameters
    assert not ((rows.op == "~~") & (rows.lhs != rows.rhs) & (rows.free > 0)).any()


def test_means_and_residuals_of_sums_are_not_predicted():
    fit = sg.fit(SUM + "\ny ~ (1 | person)", DATA, progress=False)
    for kind in ("linear", "mean", "marginal"):
        with pytest.raises(ModelError, match="'y' has @composite"):
            fit.predict(kind=kind)
    for kind in ("pearson", "quantile"):
        with pytest.raises(ModelError, match="'y' has @composite"):
            fit.residuals(kind=kind)
