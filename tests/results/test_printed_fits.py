"""Printed summaries of Gaussian models, word for word; the numbers are held to lavaan in tests/reference."""

from pathlib import Path

import pytest

import semgllamm as sg

HERE = Path(__file__).parent / "golden"
FACTORS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9\n"
LEVELS = "level: 1\n fw =~ y1 + y2 + y3\n fw ~ x1\nlevel: 2\n fb =~ y1 + y2 + y3\n fb ~ w1"
EVERYTHING = {"fit_measures": True, "standardized": True, "ci": True, "rsquare": True}
FITS = {
    "factors": (sg.cfa, FACTORS, "holzinger", {}, EVERYTHING),
    "groups_robust": (sg.cfa, FACTORS, "holzinger", {"group": "school", "estimator": "MLR"}, {"fit_measures": True}),
    "shifted": (sg.cfa, FACTORS, "holzinger", {"estimator": "MLMV"}, {"fit_measures": True}),
    "least_squares": (sg.cfa, FACTORS, "holzinger", {"estimator": "GLS"}, {"fit_measures": True}),
    "levels": (sg.sem, LEVELS, "demo_twolevel", {"cluster": "cluster"}, {"fit_measures": True}),
}


@pytest.mark.parametrize("name", FITS)
def test_summary(name):
    function, text, data, arguments, shown = FITS[name]
    printed = str(function(text, sg.load_dataset(data), **arguments).summary(**shown))
    golden = (HERE / f"{name}.txt").read_text(encoding="utf-8")
    # the first line has the version and the number of steps
    assert printed.splitlines()[1:] == golden.splitlines()[1:]


def test_measures_of_a_fit_by_quadrature_are_refused():
    fit = sg.fit("incidence ~ 1 + (1 | herd) @family(binomial)\n@trials(incidence, size)", sg.load_dataset("cbpp"))
    with pytest.raises(sg.ModelError, match="measures of fit"):
        fit.summary(fit_measures=True)
    with pytest.raises(sg.ModelError, match="no fit measure 'cfi'"):
        fit.fit_measures("cfi")
    assert set(fit.fit_measures().index) == {"npar", "logl", "aic", "bic", "ntotal", "bic2"}


def test_an_unknown_measure_names_the_nearest():
    fit = sg.cfa(FACTORS, sg.load_dataset("holzinger"))
    with pytest.raises(sg.ModelError, match="rmsea"):
        fit.fit_measures("rmsae")


def test_a_saturated_model_fits_exactly():
    fit = sg.sem("x1 ~~ x2 + x3\nx2 ~~ x3", sg.load_dataset("holzinger"))
    assert fit.df == 0
    assert fit.fit_measures("chisq")["chisq"] == pytest.approx(0.0, abs=1e-7)


def test_the_baseline_is_the_fit_with_variances_alone():
    data = sg.load_dataset("holzinger")
    fit = sg.cfa(FACTORS, data)
    alone = sg.sem("\n".join(f"x{k} ~~ x{k}" for k in range(1, 10)), data)
    found = fit.fit_measures()
    assert found["baseline.df"] == alone.df
    assert found["baseline.chisq"] == pytest.approx(alone.fit_measures()["chisq"], rel=1e-9)
