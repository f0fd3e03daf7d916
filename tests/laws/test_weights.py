"""Weights of units: frequencies are the same as the units written out, and weights multiply log-likelihoods."""

import numpy as np
import pandas as pd
import pytest
from mixtures import walk_mixture
from scipy.special import expit, log_expit, logsumexp
from walk import differences, walk
from zoo import pupils, with_missing_cells

import semgllamm as sg
from semgllamm.estimation.likelihood import Likelihood

LOGIT = "@family(bernoulli(logit))"
TREES = {
    "intercepts of two levels": f"b1 ~ 1 + w + (1 | school/class) {LOGIT}",
    "random slopes": "c1 ~ 1 + w + (1 + w | class) @family(poisson)",
    "factors of three levels": f"f =~ b1 + b2 + b3 {LOGIT}\nf ~ w + fc\n@level(class)\nfc =~ k1 + k2\nfc ~ fs\n"
                               "@level(school)\nfs =~ 0",
    "residuals that covary": "g1 ~ 1 + w + (1 | class)\ng2 ~ 1 + (1 | class)\ng1 ~~ g2",
    "ordered answers": "o1 ~ w + (1 | class) @family(ordinal(probit))",
}  # fmt: skip
LEVELS = {"row": "n_row", "class": "n_class", "school": "n_school"}


def with_frequencies(seed: int = 5, classes: int = 12) -> pd.DataFrame:
    """Pupils of classes of schools, and how many there are of each."""
    rng = np.random.default_rng(seed)
    data = with_missing_cells(pupils(classes)).reset_index(drop=True)
    for level, name in LEVELS.items():
        unit = np.arange(len(data)) if level == "row" else data.groupby(level).ngroup().to_numpy()
        data[name] = rng.integers(1, 4, unit.max() + 1)[unit]
    return data


def written_out(data: pd.DataFrame, levels) -> pd.DataFrame:
    """Every unit as often as its frequency says, under names of its own."""
    for level in levels:
        name = LEVELS[level]
        copies = [data[data[name] > k].assign(copy=k) for k in range(int(data[name].max()))]
        data = pd.concat(copies, ignore_index=True)
        for held in ("class", "school") if level == "school" else ("class",) if level == "class" else ():
            data[held] = data[held].astype(str) + "." + data["copy"].astype(str)
    return data


def with_directives(text: str, levels, kind: str = "frequency") -> str:
    return text + "".join(f"\n@{kind}({level}, {LEVELS[level]})" for level in levels)


def used(text: str) -> tuple[str, ...]:
    """The levels of the model."""
    return ("row", "class", "school") if "school" in text else ("row", "class")


def same(one, other, at, points):
    """Value, score, Louis' information, and the cross product of units' scores with its frequencies."""
    for mine, theirs in zip(one.louis(at, points), other.louis(at, points)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(one.score(at, points)[1], other.score(at, points)[1], rtol=1e-9, atol=1e-8)
    scores, theirs = (likelihood.unit_scores(at, points) for likelihood in (one, other))
    repeats = one.design.repeats(one.unit_level)
    meat = scores.T @ (scores / repeats[:, None])
    np.testing.assert_allclose(meat, theirs.T @ theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("count", [3, 7])
@pytest.mark.parametrize("name", TREES)
def test_frequencies_are_units_written_out(name, count):
    data, text = with_frequencies(), TREES[name]
    for levels in [(level,) for level in used(text)] + [used(text)]:
        one = walk(with_directives(text, levels), data)
        other = walk(text, written_out(data, levels))
        at = one.start + 0.1
        same(one.likelihood, Likelihood(other.likelihood.predictor.apart), at, one.points(count))


@pytest.mark.parametrize("name", TREES)
def test_weights_of_one_change_nothing(name):
    data, text = with_frequencies(), TREES[name]
    data[list(LEVELS.values())] = 1
    one, other = walk(with_directives(text, used(text), "weight"), data), walk(text, data)
    assert len(one.likelihood.predictor.program.tree) == len(other.likelihood.predictor.program.tree)
    at = one.start + 0.1
    same(one.likelihood, other.likelihood, at, one.points(5))


@pytest.mark.parametrize("name", TREES)
def test_score_with_weights_is_the_derivative(name):
    rng = np.random.default_rng(8)
    data, text = with_frequencies(), TREES[name]
    for column in LEVELS.values():
        factor = rng.uniform(0.3, 2.0, int(data[column].max()) + 1)
        data[column] = factor[data[column]]
    one = walk(with_directives(text, used(text), "weight"), data)
    at, points = one.start + 0.1, one.points(5)
    score = one.score(at, points)
    np.testing.assert_allclose(score, differences(lambda x: one.value(x, points), at), atol=2e-6, rtol=1e-6)
    np.testing.assert_allclose(one.likelihood.unit_scores(at, points).sum(axis=0), score, atol=1e-9, rtol=1e-9)


def test_the_likelihood_is_that_of_the_definition():
    # log L = Σ_j w_j log ∫ φ(u) Π_i f(y_ij | u)^w_ij du
    rng = np.random.default_rng(3)
    unit = np.repeat(np.arange(9), 4)
    data = pd.DataFrame({"unit": unit, "x": rng.normal(size=36), "y": rng.integers(0, 2, 36)})
    data["w"], data["v"] = rng.uniform(0.2, 3.0, 36), rng.uniform(0.2, 3.0, 9)[unit]
    one = walk(f"y ~ 1 + x + (1 | unit) {LOGIT}\n@weight(row, w)\n@weight(unit, v)", data)
    at = one.start * 0 + np.array([0.3, -0.4, 0.8])
    cells = one.cells(at)
    intercept, slope, variance = (cells[name] for name in ("y~1", "y~x", "unit.intercept~~unit.intercept"))
    u = np.linspace(-9, 9, 2001)
    log_phi = -0.5 * u**2 - 0.5 * np.log(2 * np.pi) + np.log(u[1] - u[0])
    nu = intercept + slope * data["x"].to_numpy()[:, None] + np.sqrt(variance) * u
    log_f = data["w"].to_numpy()[:, None] * log_expit(np.where(data["y"].to_numpy()[:, None] == 1, nu, -nu))
    total = 0.0
    for j in range(9):
        total += data["v"].to_numpy()[unit == j][0] * logsumexp(log_phi + log_f[unit == j].sum(axis=0))
    assert one.value(at, (41,)) == pytest.approx(total, abs=1e-8)


def test_rows_of_weight_two_count_twice():
    data = with_frequencies().assign(n_row=2)
    text = f"b1 ~ 1 + w {LOGIT}"
    double, once = sg.fit(with_directives(text, ["row"]), data), sg.fit(text, data)
    assert double.loglik == pytest.approx(2 * once.loglik, rel=1e-12)
    assert double.nobs == 2 * once.nobs
    np.testing.assert_allclose(double.vcov() * 2, once.vcov(), rtol=1e-8)


MIXTURES = {
    "classes of rows": (f"@latent(c, classes(2))\nc =~ b1 + b2 + b3 + b4 {LOGIT}\nc ~ w", ("row",)),
    "classes of clusters": ("g1 ~ C + w\n@level(class)\n@latent(C, classes(2))\nC =~ k1", ("row", "class")),
    "a factor in classes": (f"@latent(c, classes(2))\nf =~ b1 + b2 + b3 {LOGIT}\nf ~ c\nb1 ~ c\nc ~ x", ("row",)),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXTURES)
def test_frequencies_in_mixtures(name):
    text, levels = MIXTURES[name]
    data = with_frequencies()
    for some in [(level,) for level in levels] + [levels]:
        one = walk_mixture(with_directives(text, some), data)
        other = walk_mixture(text, written_out(data, some))
        same(one.likelihood, other.likelihood.apart, one.somewhere(1), one.points(5))


def test_weights_below_classes_are_refused_where_components_are_added_up():
    text = f"@latent(c, classes(2))\nc =~ b1 + b2 + b3 {LOGIT}\nc ~ C\n@level(class)\n@latent(C, classes(2))"
    with pytest.raises(sg.ModelError, match="weights of 'row' below classes of 'class' cannot be fitted yet"):
        walk_mixture(with_directives(text, ["row"]), with_frequencies())


def test_frequencies_on_a_shared_grid():
    data = with_frequencies(classes=60)
    text = f"f =~ b1 + b2 + b3 + b4 + b5 + b6 {LOGIT}\nf ~ w"
    one = sg.fit(with_directives(text, ["row"]), data, quadrature=sg.Grid(61))
    other = sg.fit(text, written_out(data, ["row"]), quadrature=sg.Grid(61))
    assert one.likelihood.shared and one.nobs == other.nobs
    at = other.free + 0.05
    for fit in (one, other):
        fit.likelihood.place(at)
    same(one.likelihood, other.likelihood, at, other.points)


@pytest.mark.parametrize("missing", ["ml", "listwise"])
def test_frequencies_in_closed_form(missing):
    data = with_frequencies()
    text = "f =~ g1 + g2 + g3 + g4\nf ~ w"
    arguments = {"missing": missing, "estimator": "MLR"}
    one = sg.sem(with_directives(text, ["row"]), data, **arguments)
    other = sg.sem(text, written_out(data, ["row"]), **arguments)
    assert one.loglik == pytest.approx(other.loglik, abs=1e-8)
    assert (one.nobs, one.bic) == (other.nobs, pytest.approx(other.bic, abs=1e-7))
    np.testing.assert_allclose(one.vcov(), other.vcov(), rtol=1e-6, atol=1e-10)
    for measure in ("chisq", "chisq.scaled", "rmsea", "cfi", "srmr"):
        assert one.fit_measures()[measure] == pytest.approx(other.fit_measures()[measure], abs=1e-6), measure


def test_frequencies_of_clusters_of_a_sandwich():
    data = with_frequencies()
    text, arguments = "f =~ g1 + g2 + g3 + g4", {"cluster": "class", "missing": "ml"}
    one = sg.sem(with_directives(text, ["class", "row"]), data, **arguments)
    other = sg.sem(text, written_out(data, ["class", "row"]), **arguments)
    np.testing.assert_allclose(one.vcov(), other.vcov(), rtol=1e-6, atol=1e-10)


def test_sampling_weights_have_a_sandwich():
    # A = Σ w p(1 − p) xx', B = Σ w² (y − p)² xx'
    data = with_frequencies().dropna(subset=["b1", "w"])
    weight = 0.25 + data["n_row"].to_numpy() ** 1.5
    data["n_row"] = weight
    fit = sg.fit(with_directives(f"b1 ~ 1 + w {LOGIT}", ["row"], "weight"), data)
    X = np.column_stack([np.ones(len(data)), data["w"]])
    p = expit(X @ fit.coef.to_numpy())
    A = (X.T * (weight * p * (1 - p))) @ X
    left = X * (weight * (data["b1"].to_numpy() - p))[:, None]
    np.testing.assert_allclose(left.sum(axis=0), 0.0, atol=1e-6)
    expected = np.linalg.inv(A) @ left.T @ left @ np.linalg.inv(A)
    np.testing.assert_allclose(fit.vcov(), expected, rtol=1e-6)
    assert fit.se_kind == "robust.huber.white" and fit.nobs == len(data)


def test_scaling_by_hand():
    data = pd.DataFrame({"unit": [1, 1, 1, 2, 2], "y": [0, 1, 1, 0, 1], "w": [1.0, 2.0, 3.0, 4.0, 2.0], "v": 2.5})
    text = f"y ~ 1 + (1 | unit) {LOGIT}\n@weight(row, w)\n@weight(unit, v)"
    expected = {
        "size": [3 / 6, 2 * 3 / 6, 3 * 3 / 6, 4 * 2 / 6, 2 * 2 / 6],
        "effective": [6 / 14, 12 / 14, 18 / 14, 24 / 20, 12 / 20],
        "raw": [1, 2, 3, 4, 2],
    }
    for scaling, weights in expected.items():
        fit = sg.fit(text, data, weights_scaling=scaling, quadrature=sg.Adaptive(3), se="none")
        np.testing.assert_allclose(fit.design.weights.sampling[0], weights)
        np.testing.assert_allclose(fit.design.weights.sampling[1], 2.5)
        said = "Scaling of sampling weights" in str(fit.summary())
        assert said == (scaling != "raw")
    with pytest.raises(sg.ModelError, match="nothing to scale"):
        sg.fit(f"y ~ 1 {LOGIT}\n@weight(row, w)", data, weights_scaling="size")


def test_columns_that_are_no_weights():
    data = with_frequencies()
    text = TREES["random slopes"]
    bad = {
        "is missing": ("weight", data["n_row"].where(data.index != 3).astype(float)),
        "is negative": ("weight", data["n_row"].where(data.index != 3, -1)),
        "is not a whole number": ("frequency", data["n_row"] + 0.5),
    }
    for message, (kind, values) in bad.items():
        with pytest.raises(sg.DataError, match=message):
            sg.fit(with_directives(text, ["row"], kind), data.assign(n_row=values))
    with pytest.raises(sg.DataError, match="varies within class"):
        sg.fit(f"{text}\n@weight(class, n_row)", data)
    with pytest.raises(sg.ModelError, match="which is no level"):
        sg.fit(f"{text}\n@weight(klass, n_class)", data)
    with pytest.raises(sg.EstimationError, match="bootstrap has no use for weights"):
        sg.fit(f"{text}\n@weight(row, n_row)", data, se="bootstrap")


def test_rows_that_stand_for_nothing_are_left_out():
    data = with_frequencies()
    data["n_row"] = data["n_row"] - 1
    text = f"b1 ~ 1 + w {LOGIT}"
    one, other = sg.fit(with_directives(text, ["row"]), data), sg.fit(text, written_out(data, ["row"]))
    assert one.loglik == pytest.approx(other.loglik, abs=1e-9)
    assert ("weight of 0", int((data["n_row"] == 0).sum())) in one.design.left_out
    assert one.nobs == other.nobs


def test_likelihood_ratios_with_sampling_weights_are_scaled_or_refused():
    data = with_frequencies()
    one, other = (sg.fit(f"b1 ~ {terms} {LOGIT}\n@weight(row, n_row)", data) for terms in ("1 + w", "1"))
    assert sg.compare(one, other).iloc[1]["chisq_diff"] == pytest.approx(one.wald_test("`b1~w` == 0").stat, rel=0.1)
    with pytest.raises(sg.ModelError, match="no distribution that is known under sampling weights"):
        sg.compare(one, other, method="lr")
    counted = [sg.fit(f"b1 ~ {terms} {LOGIT}\n@frequency(row, n_row)", data) for terms in ("1 + w", "1")]
    written = [sg.fit(f"b1 ~ {terms} {LOGIT}", written_out(data, ["row"])) for terms in ("1 + w", "1")]
    assert sg.compare(*counted)["pvalue"].iloc[1] == pytest.approx(sg.compare(*written)["pvalue"].iloc[1], rel=1e-8)
    with pytest.raises(sg.ModelError, match="not fits of the same data"):
        sg.compare(counted[0], sg.fit(f"b1 ~ 1 {LOGIT}", data))


CASES = {
    "choices": "y ~ x + z:alt + (0 + x | person) @family(multinomial)\n@alternatives(y, case=id, alternative=alt)",
    "means that are sums": "total ~ x + (1 | person) @family(poisson)\n@composite(total, case=id)",
}


@pytest.mark.parametrize("level", ["id", "person"])
@pytest.mark.parametrize("name", CASES)
def test_frequencies_of_cases_of_several_rows(name, level):
    rng, rows = np.random.default_rng(6), []
    for case in range(18):
        chosen, total = rng.integers(3), rng.poisson(4.0)
        for k in range(3):
            rows.append((case, case // 3, "abc"[k], float(k == chosen), total, rng.normal(), case % 5 - 2.0))
    data = pd.DataFrame(rows, columns=["id", "person", "alt", "y", "total", "x", "z"])
    data["n"] = rng.integers(1, 4, 18)[data[level]]
    copies = [data[data["n"] > k].assign(copy=k) for k in range(3)]
    written = pd.concat(copies, ignore_index=True)
    for held in {"id", level}:
        written[held] = written[held] + 1000 * written["copy"]
    one, other = walk(f"{CASES[name]}\n@frequency({level}, n)", data), walk(CASES[name], written)
    same(one.likelihood, Likelihood(other.likelihood.predictor.apart), one.start + 0.1, one.points(7))
    assert one.likelihood.design.n_answers == other.likelihood.design.n_answers
    if level == "id":
        data.loc[0, "n"] += 1
        with pytest.raises(sg.DataError, match="varies within id 0"):
            walk(f"{CASES[name]}\n@frequency(id, n)", data)
