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


@pytest.mark.parametrize("text", ["f =~ g1 + g2 + g4", f"b1 ~ 1 + w {LOGIT}", f"b1 ~ 1 + w + (1 | class) {LOGIT}"])
def test_frequencies_of_what_was_drawn_in_strata(text):
    data = with_frequencies()
    data["half"] = np.where(data["school"] == data["school"].iloc[0], "first", "others")
    data["there"] = np.where(data["half"] == "first", 40, 90)
    arguments = {"strata": "half", "fpc": "there", "missing": "ml", "cluster": "class"}
    one = sg.sem(with_directives(text, ["class", "row"]), data, **arguments)
    other = sg.sem(text, written_out(data, ["class", "row"]), **arguments)
    np.testing.assert_allclose(one.vcov(), other.vcov(), rtol=1e-6, atol=1e-9)
    assert one.se_kind == ("robust.huber.white" if "|" in text else "robust.cluster")


def test_strata_and_populations_that_are_none():
    data = with_frequencies()
    data["half"], data["few"] = np.where(data["class"] == data["class"].iloc[0], "first", "others"), 2
    text, named = "g1 ~ 1 + w + (1 | class)", {"strata": "half"}
    gaps = data.assign(half=data["half"].where(data.index != 4))
    for error, message, frame, arguments in [
        (sg.DataError, "stratum 'first' of 'half' has a single unit of 'class'", data, named),
        (sg.DataError, "strata 'half' has 1 missing value", gaps, named),
        (sg.DataError, "fpc 'few' says 2 units are in the population", data, {"fpc": "few"}),
        (sg.DataError, "fpc 'n_row' varies within the data", data, {"fpc": "n_row"}),
        (sg.DataError, "strata 'halv' is not in the data", data, {"strata": "halv"}),
        (sg.EstimationError, "not for se='standard'", data, {**named, "se": "standard"}),
        (sg.EstimationError, "not for information='first.order'", data, {**named, "information": "first.order"}),
    ]:
        with pytest.raises(error, match=message):
            sg.fit(text, frame, **arguments)
    with pytest.raises(sg.ModelError, match="strata= is for the sandwich of a likelihood"):
        sg.sem("g1 ~ w", data, cluster="class", strata="half", estimator="GLS")
    # all there was to draw adds nothing
    whole = data.assign(part=np.where(data["half"] == "first", 1.0, 0.3))
    assert np.isfinite(sg.fit(text, whole, strata="half", fpc="part").vcov()).all().all()


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


def test_rows_that_stand_for_nothing_are_left_out():
    data = with_frequencies()
    data["n_row"] = data["n_row"] - 1
    text = f"b1 ~ 1 + w {LOGIT}"
    one, other = sg.fit(with_directives(text, ["row"]), data), sg.fit(text, written_out(data, ["row"]))
    assert one.loglik == pytest.approx(other.loglik, abs=1e-9)
    assert ("weight of 0", int((data["n_row"] == 0).sum())) in one.design.left_out
    assert one.nobs == other.nobs


def test_likelihood_ratios_with_sampling_weights():
    data = with_frequencies()
    one, other = (sg.fit(f"b1 ~ {terms} {LOGIT}\n@weight(row, n_row)", data) for terms in ("1 + w", "1"))
    # near Wald's test, and no longer 2 (log L1 − log L0), which counts weights as rows
    found, wald = sg.compare(one, other).iloc[1], one.wald_test("`b1~w` == 0")
    assert found["chisq_diff"] == pytest.approx(wald.stat, rel=0.25)
    assert found["chisq_diff"] < 0.8 * 2 * (one.loglik - other.loglik)
    with pytest.raises(sg.ModelError, match="method='lr' is not for these fits: sampling weights make it a pseudo"):
        sg.compare(one, other, method="lr")
    plain = [sg.fit(f"b1 ~ {terms} {LOGIT}\n@weight(row, n_row)", data, se="standard") for terms in ("1 + w", "1")]
    with pytest.raises(sg.ModelError, match="no distribution that is known: sampling weights"):
        sg.compare(*plain)
    with pytest.raises(sg.ModelError, match="a profile has no distribution that is known"):
        one.confint("profile")
    with pytest.raises(sg.ModelError, match="criteria of a pseudo-likelihood"):
        sg.information_criteria(one, other)
    counted = [sg.fit(f"b1 ~ {terms} {LOGIT}\n@frequency(row, n_row)", data) for terms in ("1 + w", "1")]
    written = [sg.fit(f"b1 ~ {terms} {LOGIT}", written_out(data, ["row"])) for terms in ("1 + w", "1")]
    assert sg.compare(*counted)["pvalue"].iloc[1] == pytest.approx(sg.compare(*written)["pvalue"].iloc[1], rel=1e-8)
    with pytest.raises(sg.ModelError, match="not fits of the same data"):
        sg.compare(counted[0], sg.fit(f"b1 ~ 1 {LOGIT}", data))


BY_MOMENTS = {
    "ULS": {"estimator": "ULSMV"}, "GLS": {"estimator": "GLS"}, "WLS": {"estimator": "WLS"},
    "DWLS": {"estimator": "WLSMV"}, "Wishart": {"likelihood": "wishart"}, "MLM": {"estimator": "MLM"},
    "robust": {"se": "robust"}, "shifted": {"test": "scaled.shifted"},
}  # fmt: skip


@pytest.mark.parametrize("name", BY_MOMENTS)
def test_frequencies_in_least_squares_and_moments(name):
    data = with_frequencies(classes=30)
    text, arguments = "f =~ g1 + g2 + g4\nf ~ w", BY_MOMENTS[name]
    one = sg.sem(with_directives(text, ["row"]), data, **arguments)
    other = sg.sem(text, written_out(data, ["row"]), **arguments)
    np.testing.assert_allclose(one.coef, other.coef, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(one.vcov(), other.vcov(), rtol=1e-7, atol=1e-10)
    assert (one.nobs, one.test.statistic) == (other.nobs, pytest.approx(other.test.statistic, abs=1e-7))
    assert one.scaled_test == other.scaled_test or one.scaled_test.statistic == pytest.approx(
        other.scaled_test.statistic, abs=1e-7
    )
    assert "Frequencies variable" in str(one.summary())
    if name != "robust":
        with pytest.raises(sg.ModelError, match="takes no sampling weights"):
            sg.sem(text, data, sampling_weights="n_row", **{"estimator": "MLM", **arguments})


def test_frequencies_of_units_that_were_seen():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"animal": np.arange(80), "n": rng.integers(1, 4, 80)})
    u = rng.normal(size=80)
    for k in (1, 2, 3, 4):
        data[f"c{k}"] = (rng.random(80) < expit(u - 0.3)).astype(int)
    data = data[data[["c1", "c2", "c3", "c4"]].any(axis=1)]
    text = "f =~ 1*c1 + 1*c2 + 1*c3 + 1*c4 @family(bernoulli(logit))\n@unseen(row)"
    one = sg.fit(f"{text}\n@frequency(row, n)", data, quadrature=sg.Adaptive(7))
    other = sg.fit(text, data.loc[data.index.repeat(data["n"])], quadrature=sg.Adaptive(7))
    assert one.loglik == pytest.approx(other.loglik, abs=1e-8)
    np.testing.assert_allclose(one.vcov(), other.vcov(), rtol=1e-6)
    np.testing.assert_allclose(one.population(), other.population(), rtol=1e-6)


DRAWN = {
    "closed form": ("f =~ g1 + g2 + g4\nf ~ w", ["row"], {}),
    "clusters": ("g1 ~ 1 + w", ["class", "row"], {"cluster": "class"}),
    "random intercepts": (f"b1 ~ 1 + w + (1 | class) {LOGIT}", ["class", "row"], {"quadrature": sg.Adaptive(3)}),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["ordinary", "parametric"])
@pytest.mark.parametrize("name", DRAWN)
def test_bootstrap_samples_are_drawn_of_units_written_out(name, kind):
    text, levels, arguments = DRAWN[name]
    data = with_frequencies()
    data["id"] = np.arange(len(data))
    one = sg.fit(with_directives(text, levels), data, **arguments)
    # the copies of a unit stand together, as its frequency has them
    copies = written_out(data, levels)
    if "class" in levels:
        copies["class"] = copies["class"].map(lambda name: (float(name.split(".")[0]), float(name.split(".")[1])))
        copies["class"] = copies.groupby("class").ngroup()
    copies = copies.sort_values([*(["class"] if "class" in levels else []), "id", "copy"], kind="stable")
    other = sg.fit(text, copies, **arguments)
    drawn = [fit.bootstrap(6, kind=kind, seed=3, workers=1) for fit in (one, other)]
    np.testing.assert_allclose(drawn[0].draws, drawn[1].draws, rtol=1e-5, atol=1e-6)


def test_units_are_drawn_with_their_sampling_weights():
    data = with_frequencies(classes=40).dropna(subset=["b1", "w"]).reset_index(drop=True)
    data["n_row"] = data["n_row"] / 2 + 0.3
    fit = sg.fit(with_directives(f"b1 ~ 1 + w {LOGIT}", ["row"], "weight"), data)
    found = fit.bootstrap(4, seed=1, workers=1)
    seeds = np.random.SeedSequence(1).spawn(4)
    for seed, row in zip(seeds, found.draws.to_numpy()):
        take = np.random.default_rng(seed).choice(len(data), len(data))
        again = sg.fit(with_directives(f"b1 ~ 1 + w {LOGIT}", ["row"], "weight"), data.iloc[take])
        np.testing.assert_allclose(row, again.coef, atol=1e-6)
    with pytest.raises(sg.EstimationError, match="does not say how units were selected"):
        fit.bootstrap(4, kind="parametric")


@pytest.mark.parametrize("arguments", [{}, {"cluster": "class", "strata": "half"}])
def test_scaled_ratios_are_those_of_the_closed_form(arguments):
    data = with_frequencies(classes=40).dropna(subset=["g1", "g2", "g4", "g5"])
    data["half"] = np.where(data["class"] < 15, "first", "others")
    texts = ["f =~ g1 + g2 + g4 + g5", "f =~ g1 + a*g2 + a*g4 + a*g5"]
    closed = [sg.fit(text, data, estimator="MLR", **arguments) for text in texts]
    engine = [sg.fit(text, data, se="robust", quadrature="laplace", **arguments) for text in texts]
    one, other = (sg.compare(*fits, method="scaled").iloc[1] for fits in (closed, engine))
    assert one["chisq_diff"] == pytest.approx(other["chisq_diff"], rel=1e-5)
    if arguments:
        with pytest.raises(sg.ModelError, match="drawn in clusters or strata"):
            sg.compare(*engine, method="lr")


def test_influence_is_that_of_one_of_those_that_are_alike():
    data = with_frequencies()
    data["id"] = np.arange(len(data))
    text = f"b1 ~ 1 + w {LOGIT}"
    one, other = sg.fit(with_directives(text, ["row"]), data), sg.fit(text, written_out(data, ["row"]))
    found, theirs = one.influence(), other.influence()
    ids = written_out(data, ["row"])["id"].to_numpy()[other.design.kept]
    first = pd.Series(range(len(ids)), index=ids).groupby(level=0).first()
    np.testing.assert_allclose(found, theirs.iloc[first[data["id"].to_numpy()[one.design.kept]]], atol=1e-7)
    # weights of two for all are no news of any
    double = sg.fit(with_directives(text, ["row"], "weight"), data.assign(n_row=2.0)).influence()
    np.testing.assert_allclose(double["cook"], 2 * sg.fit(text, data).influence()["cook"], rtol=1e-6)


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


@pytest.mark.parametrize("scaling", ["raw", "size"])
def test_replicates_are_fits_with_their_weights(scaling):
    rng = np.random.default_rng(2)
    data = with_frequencies(classes=24)
    units = data["class"].to_numpy()
    data["v"], data["r"] = 1.5, 0.5 + rng.random(len(data))
    names = [f"v{k}" for k in range(3)]
    for k, name in enumerate(names):
        data[name] = np.where(np.arange(24) % 3 == k, 0.0, 2.0 + 0.1 * np.arange(24))[units]
    text = f"b1 ~ 1 + w + (1 | class) {LOGIT}\n@weight(row, r)\n@weight(class, %s)"
    arguments = {"weights_scaling": scaling, "quadrature": sg.Adaptive(5)}
    fit = sg.fit(text % "v", data, replicate_weights=sg.Replicates(names, "JK1"), **arguments)
    alone = np.array([sg.fit(text % name, data, **arguments).free for name in names])
    off = alone - alone.mean(axis=0)
    np.testing.assert_allclose(fit._vcov_free, 2 / 3 * off.T @ off, rtol=1e-4, atol=1e-7)
    with pytest.raises(sg.DataError, match="replicate weights 'n_row' vary within class"):
        sg.fit(text % "v", data, replicate_weights=sg.Replicates(["n_row", "v0"]), **arguments)


def test_replicates_without_a_maximum_are_counted():
    data = pd.DataFrame({"y": [0, 1, 1, 0, 1, 0, 1, 1], "w": 1.0})
    for k in range(3):
        data[f"r{k}"] = np.where(np.arange(8) % 3 == k, 0.0, 1.5)
    data["r3"] = data["y"] * 1.0
    text, names = f"y ~ 1 {LOGIT}\n@weight(row, w)", [f"r{k}" for k in range(4)]
    fit = sg.fit(text, data, replicate_weights=sg.Replicates(names, "JK1"))
    assert any("1 of 4 replicates have no maximum" in note for note in fit.report().notes)
    p = np.array([data["y"][data[name] > 0].mean() for name in names[:3]])
    np.testing.assert_allclose(fit.vcov().iloc[0, 0], 2 / 3 * np.var(np.log(p / (1 - p))) * 3, rtol=1e-6)


@pytest.mark.parametrize(("message", "make"), [
    ("in two columns or more", lambda: sg.Replicates("r1")),
    ("named twice", lambda: sg.Replicates(["r1", "r1"])),
    ("kind of replicates 'brr' is unknown", lambda: sg.Replicates(["r1", "r2"], "brr")),
    ("rho goes with kind='Fay'", lambda: sg.Replicates(["r1", "r2"], "Fay")),
    ("needs rscales", lambda: sg.Replicates(["r1", "r2"], "JKn")),
    ("rscales are 2 numbers", lambda: sg.Replicates(["r1", "r2"], "JKn", rscales=[0.5])),
    ("scale is -1", lambda: sg.Replicates(["r1", "r2"], scale=-1)),
])  # fmt: skip
def test_replicates_that_are_none(message, make):
    with pytest.raises(sg.ModelError, match=message):
        make()


def test_replicates_and_what_they_do_not_go_with():
    data = with_frequencies().assign(v=1.0)
    given = sg.Replicates(["n_row", "v"])
    for text, arguments, error, message in [
        ("g1 ~ 1 + w", {}, sg.ModelError, "in the place of sampling weights, and there are none"),
        ("g1 ~ 1 + w\n@weight(row, v)", {"se": "robust"}, sg.EstimationError, "so does se='robust'"),
        ("g1 ~ 1 + w\n@weight(row, v)", {"strata": "half"}, sg.ModelError, "in the replicate weights already"),
        ("g1 ~ 1 + w\n@weight(row, v)", {"replicate_weights": ["v"]}, sg.ModelError, "replicate_weights cannot be"),
    ]:
        with pytest.raises(error, match=message):
            sg.fit(text, data, **{"replicate_weights": given, **arguments})
