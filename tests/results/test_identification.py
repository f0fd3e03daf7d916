"""What cannot be told apart is named before a fit and after one, whatever the class of model."""

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg

rng = np.random.default_rng(11)
N = 400
GROUP = np.repeat(np.arange(80), 5)
T = rng.normal(size=N)
DATA = pd.DataFrame({f"u{k}": (T + 0.3 * k + rng.logistic(size=N) > 0.5).astype(int) for k in range(4)})
DATA = DATA.assign(x=rng.normal(size=N), group=GROUP, **{f"y{k}": T + rng.normal(size=N) for k in range(4)})
DATA["x2"], DATA["both"] = 2 * DATA["x"], DATA["x"]
ITEMS = "t =~ {}u0 + u1 + u2 + u3 @family(bernoulli)"
CLASSES = "@latent(c, classes(2))\nc =~ u0 + u1 + u2 + u3 @family(bernoulli)"
LEVELS = "level: 1\nfw =~ {}y0 + y1 + y2\nlevel: 2\nfb =~ y0 + y1 + y2"

# (model, arguments, the parameters of its only null direction)
CASES = {
    "a collinear covariate in a mixed model": (
        "u0 ~ x + x2 + (1 | group) @family(bernoulli)", {}, {"u0~x", "u0~x2"},
    ),
    "the scale of a trait": (ITEMS.format("NA*"), {}, {"t=~u0", "t=~u1", "t=~u2", "t=~u3", "t~~t"}),
    "the scale of a factor": (
        "t =~ NA*y0 + y1 + y2 + y3\nt ~~ NA*t", {"like": "sem"}, {"t=~y0", "t=~y1", "t=~y2", "t=~y3", "t~~t"},
    ),
    "the scale of a factor of two levels": (
        LEVELS.format("NA*"), {"like": "sem", "cluster": "group"}, {"fw=~y0", "fw=~y1", "fw=~y2", "fw~~fw"},
    ),
    "a collinear covariate of class membership": (CLASSES + "\nc ~ x + x2", {"n_starts": 2}, {"c[1]~x", "c[1]~x2"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_null_directions_are_named_before_a_fit(name):
    text, arguments, wanted = CASES[name]
    table = sg.identification(text, DATA, **arguments)
    assert set(table["direction"]) == {1} and set(table["parameter"]) == wanted
    assert table["loading"].abs().max() == pytest.approx(1) and (table["singular_value"] < 1e-4).all()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::semgllamm.SemgllammWarning")
def test_null_directions_are_named_after_a_fit(name):
    text, arguments, wanted = CASES[name]
    function = getattr(sg, arguments.get("like", "fit"))
    try:
        fit = function(text, DATA, **{k: v for k, v in arguments.items() if k != "like"})
    except sg.EstimationError as error:  # mixtures are told before the search
        said = str(error)
    else:
        assert np.isnan(np.diag(fit.vcov().loc[list(wanted), list(wanted)])).all()
        said = str(fit.summary())
    said = " ".join(said.split())
    assert "identified" in said and all(parameter in said for parameter in wanted)


@pytest.mark.parametrize("text, arguments", [
    ("u0 ~ x + (1 | group) @family(bernoulli)", {}), (ITEMS.format(""), {}), (CLASSES, {}),
    ("t =~ y0 + y1 + y2 + y3", {"like": "sem"}), (LEVELS.format(""), {"like": "sem", "cluster": "group"}),
])  # fmt: skip
def test_identified_models_have_no_direction(text, arguments):
    assert sg.identification(text, DATA, **arguments).empty


def test_what_cannot_be_told():
    with pytest.raises(sg.ModelError, match="like='lm'"):
        sg.identification("y0 ~ x", DATA, like="lm")
    with pytest.raises(sg.ModelError, match="fewer independent units than parameters"):
        sg.identification("u0 ~ x + x2 + (1 | group) @family(bernoulli)", DATA.iloc[:15])
