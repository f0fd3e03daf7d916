"""The package against the values stored beside each model, and the score of each model against differences."""

import json
from pathlib import Path

import numpy as np
import pytest
from reference import Reference
from walk import walk

from semgllamm import Adaptive, Ordinary

HERE = Path(__file__).parent
# a folder with a model of its own; the others hold the values of many models, and have tests of their own
NAMES = sorted(path.parent.name for path in HERE.glob("*/model.sem"))
RESULTS = [
    (name, method, result)
    for name in NAMES
    for method, result in json.loads((HERE / name / "values.json").read_text(encoding="utf-8"))["results"].items()
]
AT_TRUTH = [(name, method) for name, method, _ in RESULTS if method == "at_truth"]
# lme4's default ends its search for the modes early: see README.md
TOO_LOW = [(name, method) for name, method, _ in RESULTS if method == "lme4_default"]
FITTED = [(name, method) for name, method, _ in RESULTS if (name, method) not in (*AT_TRUTH, *TOO_LOW)]
CONVERGED = [(name, method) for name, method in FITTED if method == "converged"]

# points that leave less than the tolerances, the lowest level first
ENOUGH = {"guatemala": (35, 13)}


def rule(reference, method):
    wanted = reference.results[method]["quadrature"]
    if wanted == "laplace":
        return wanted
    if wanted == "converged":
        return Adaptive(ENOUGH.get(reference.name, 31))
    return Ordinary(tuple(wanted["ordinary"]))


def assert_close(fit, result, kind, column):
    free = fit.parameters[fit.parameters.free > 0]
    found = dict(zip(free.lhs + free.op + free.rhs, free[column]))
    expected = result.get(kind, {})
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=result["tolerance"].get(kind), rel=0)


@pytest.mark.parametrize("reference, method", FITTED, indirect=["reference"])
def test_fit(reference, method):
    result = reference.results[method]
    fit = reference.fit(rule(reference, method))
    assert fit.converged
    assert fit.loglik == pytest.approx(result["loglik"], abs=result["tolerance"]["loglik"])
    assert_close(fit, result, "estimates", "est")
    assert_close(fit, result, "se", "se")


@pytest.mark.parametrize("reference, method", TOO_LOW, indirect=["reference"])
def test_laplace_of_lme4_is_slightly_too_low(reference, method):
    fit = reference.fit(rule(reference, method))
    assert 0 <= fit.loglik - reference.results[method]["loglik"] < 1e-3


@pytest.mark.parametrize("reference, method", CONVERGED, indirect=["reference"])
def test_automatic_points_know_how_far_they_are(reference, method):
    result = reference.results[method]
    fit = reference.fit()
    estimates, loglik = fit.quadrature_error
    assert abs(estimates) <= 1e-3 and abs(loglik) <= 1e-3
    assert abs(fit.loglik - result["loglik"]) <= 1.5 * abs(loglik) + 1e-5


@pytest.mark.parametrize("reference, method", AT_TRUTH, indirect=["reference"])
def test_loglik_at_the_truth_of_simulated_data(reference, method):
    result = reference.results[method]
    found = walk(reference.model, reference.data)
    at_truth = found.value(found.free(reference.values["truth"]), found.points(25, 15))
    assert at_truth == pytest.approx(result["loglik"], abs=result["tolerance"]["loglik"])


@pytest.mark.parametrize("points", [(1, 1), (3, 3), (7, 3)], ids=["1", "3", "7 x 3"])
@pytest.mark.parametrize("reference", NAMES, indirect=True)
def test_score_is_the_derivative_of_the_loglikelihood(reference, points):
    """Along random directions at a random point, by fourth-order differences."""
    found = walk(reference.model, reference.data)
    points = found.points(*points)
    rng = np.random.default_rng(len(reference.name))
    free = found.start + 0.2 * rng.normal(size=len(found.start))
    score = found.score(free, points)
    for direction in rng.normal(size=(3, len(free))) / np.sqrt(len(free)):
        h = 1e-3
        value = [found.value(free + k * h * direction, points) for k in (-2, -1, 1, 2)]
        slope = (value[0] - 8 * value[1] + 8 * value[2] - value[3]) / (12 * h)
        assert slope == pytest.approx(score @ direction, rel=1e-6, abs=1e-5)


def test_published_one_parameter_logistic_model():
    """Rizopoulos (2006): common slope with its standard error, and difficulties."""
    reference = Reference("lsat6_1pl")
    published, fit = reference.values["published"], reference.fit()
    slope = fit.coef["a"]
    assert fit.loglik == pytest.approx(published["loglik"], abs=1e-3)
    assert slope == pytest.approx(published["slope"], abs=1e-4)
    assert np.sqrt(fit.vcov().loc["a", "a"]) == pytest.approx(published["slope_se"], abs=1e-4)
    difficulties = [-fit.coef[f"y{k}~1"] / slope for k in range(1, 6)]
    assert difficulties == pytest.approx(published["difficulties"], abs=1e-3)


def test_published_three_level_logit():
    """Rodríguez & Goldman (2001) print standard deviations of mothers and communities to two decimals."""
    reference = Reference("guatemala")
    fit = reference.fit(Adaptive((21, 7)))
    found = [np.sqrt(fit.coef[f"{level}.intercept~~{level}.intercept"]) for level in ("mom", "comm")]
    assert found == pytest.approx([reference.values["published"][f"sd_{level}"] for level in ("mom", "comm")], abs=0.01)
    assert (fit.loglik, *found) == pytest.approx((-1323.9524, 2.3172, 1.0249), abs=1e-4)
