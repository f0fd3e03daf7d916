"""The engine's log-likelihood is that of the model's definition: every family at two and three levels with one and two
latent dimensions a level, and structural models, each written out by hand."""

import numpy as np
import pandas as pd
import pytest
from brute_force import Unit, log_density, log_likelihood
from walk import walk

from semgllamm.responses.registry import FAMILIES

FAMILY = {f"{f.name}({f.link})" if f.name != "censored" else "censored(identity, lower=0)": f for f in FAMILIES
          if not f.is_joint}  # choices: test_choices.py
OWN = {"dispersion": 0.3, "inflation": -0.4, "guessing": -1.2, "ceiling": 2.0}
# log f of an inverse Gaussian response is level for high log means, and its rule converges slowly
POINTS = {
    "inversegaussian(log)": 41, "hurdlenbinom1(log)": 41, "bernoulli3plu(cloglog)": 51, "bernoulli4pl(cloglog)": 51,
    "binomial3plu(cloglog)": 51, "binomial4pl(cloglog)": 51,
    # several trials with asymptotes: more than one mode
    "binomial3pl(probit)": 45, "binomial3pl(loglog)": 45, "binomial3plu(probit)": 45, "binomial4pl(probit)": 45,
}  # fmt: skip
# log f that falls like a double exponential needs small variances, or a finer grid than four dimensions allow
STEEP = ("gaussian(log)", "inversegaussian(log)", "beta(cloglog)", "beta(loglog)")
# intercept, slope, and a factor on the covariances that keep ν within the domain of a link, over the whole grid
SETTING = {"positive": (10.0, 0.4, 0.3), "negative": (-10.0, 0.4, 0.3), "unit": (0.5, 0.01, 0.001)}


def setting(family):
    known = FAMILY[family]
    if known.link in ("reciprocal", "inverse_square", "sqrt"):
        return SETTING["positive"]
    if known.name in ("bernoulli", "binomial"):
        return SETTING.get({"log": "negative", "identity": "unit"}.get(known.link), (0.2, 0.4, 1.0))
    if known.link == "identity" and not known.has_residual:
        return SETTING["positive"]
    return 0.2, 0.4, 0.2 if family in STEEP else 1.0
SCHOOL, CHILD = np.repeat([0, 1], 6), np.repeat([0, 1, 2, 3], 3)


def long_data(family, rng, n=12):
    """Three occasions of each of four children of two schools."""
    known, x = FAMILY[family], rng.normal(size=n)
    trials = np.full(n, 3.0) if family.startswith("binomial") else np.ones(n)
    drawn = {
        "gaussian": rng.normal(size=n), "ordinal": np.arange(n) % 3,
        "sequential": np.arange(n) % 3, "adjacent": np.arange(n) % 3, "censored": np.maximum(rng.normal(size=n), 0),
        "binomial": rng.integers(0, 4, n), "bernoulli": rng.integers(0, 2, n),
    }  # fmt: skip
    if known.link == "log" and known.residual_variance is None and known.name in ("bernoulli", "binomial"):
        y = 1 * (np.arange(n) % 5 == 0)  # rare, as they are far from the end of the domain
    elif known.name in drawn:
        y = drawn[known.name]
    else:
        own = np.array([OWN[kind] for kind in known.predictors])
        own = own[0] if known.own == 1 else np.broadcast_to(own, (n, len(own)))
        y = known.simulate(np.full(n, setting(family)[0]), own, trials, rng)
    if known.beside == "event":
        trials = rng.integers(0, 2, n)
    return pd.DataFrame({"y": y, "x": x, "n": trials, "child": CHILD, "school": SCHOOL})


def own_parameters(family):
    """(named parameters, arguments of log f) of the response besides its slope."""
    if FAMILY[family].thresholds:
        return {"y|t1": -0.5, "y|t2": 0.7}, {"kappa": (-0.5, 0.7)}
    if FAMILY[family].has_residual:
        return {"y~1": setting(family)[0], "y~~y": 1.6}, {"theta": 1.6}
    own = {kind: OWN[kind] for kind in FAMILY[family].predictors}
    return {"y~1": setting(family)[0]} | {f"y@{kind}~1": value for kind, value in own.items()}, own


def covariance(dims, scale=1.0):
    if dims == 1:
        return np.array([[0.5]]) * scale
    return np.array([[0.3, 0.1], [0.1, 0.2]]) * scale


def variance_names(cluster, Psi):
    names = [f"{cluster}.intercept", f"{cluster}.x"][: len(Psi)]
    out = {f"{name}~~{name}": Psi[k, k] for k, name in enumerate(names)}
    return out | ({f"{names[0]}~~{names[1]}": Psi[0, 1]} if len(Psi) == 2 else {})


def response(family, row, own, slope, dims):
    """log f of one row given the child's latent variables and then the school's."""
    known, arguments = own
    fixed = known.get("y~1", 0.0) + slope * row.x

    def log_f(*eta):
        nu = fixed
        for level in range(0, len(eta), dims):
            nu = nu + eta[level] + (row.x * eta[level + 1] if dims == 2 else 0.0)
        return log_density(family, row.y, nu, row.n, **arguments)

    return log_f


def sizes():
    """Families, levels and dimensions; four dimensions of a fine rule take half a minute each."""
    for family in FAMILY:
        for levels, dims in ((2, 1), (2, 2), (3, 1), (3, 2)):
            fine = levels * dims == 6 and POINTS.get(family, 0) >= 45
            yield pytest.param(family, levels, dims, marks=pytest.mark.slow if fine else ())


@pytest.mark.parametrize("family, levels, dims", sizes())
def test_random_coefficients(family, levels, dims):
    rng = np.random.default_rng(levels + 10 * dims)
    data = long_data(family, rng)
    bar = ("1" if dims == 1 else "1 + x") + " | " + ("child" if levels == 2 else "school/child")
    beside = FAMILY[family].beside
    trials = f"@{beside}(n)" if beside in ("trials", "event") else ""
    _, slope, scale = setting(family)
    found = walk(f"y ~ x + ({bar})  @family({family}) {trials}", data)

    own = own_parameters(family)
    Psi = {"child": covariance(dims, scale), "school": 0.7 * covariance(dims, scale)}
    values = own[0] | {"y~x": slope} | variance_names("child", Psi["child"])
    children = [
        Unit(Psi["child"], [response(family, row, own, slope, dims) for row in data[c == CHILD].itertuples()])
        for c in range(4)
    ]
    units = children
    if levels == 3:
        values |= variance_names("school", Psi["school"])
        units = [Unit(Psi["school"], units=children[:2]), Unit(Psi["school"], units=children[2:])]
    expected = log_likelihood(units, size=25 if levels * dims == 6 else 41)
    points = found.points(POINTS.get(family, 25))
    assert found.value(found.free(values), points) == pytest.approx(expected, abs=1e-8)


def agrees(text, data, values, units, points=25, size=61, **arguments):
    found = walk(text, data, **arguments)
    assert found.value(found.free(values), found.points(points)) == pytest.approx(log_likelihood(units, size), abs=1e-8)


def binary(n, names, rng):
    return {name: rng.integers(0, 2, n) for name in names}


def test_mimic_with_a_direct_effect():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(binary(12, ["y1", "y2", "y3"], rng) | {"w1": rng.normal(size=12), "w2": rng.normal(size=12)})
    values = {"eta=~y2": 0.8, "eta=~y3": 1.4, "eta~w1": 0.5, "eta~w2": -0.3, "y1~w1": 0.6, "eta~~eta": 0.7,
              "y1~1": 0.2, "y2~1": -0.4, "y3~1": 0.1}  # fmt: skip

    def unit(row):
        def item(y, intercept, loading, direct):
            return lambda zeta: log_density(
                "bernoulli(logit)", y, intercept + loading * (0.5 * row.w1 - 0.3 * row.w2 + zeta) + direct * row.w1
            )

        return Unit([[0.7]], [item(row.y1, 0.2, 1, 0.6), item(row.y2, -0.4, 0.8, 0), item(row.y3, 0.1, 1.4, 0)])

    text = "eta =~ y1 + y2 + y3  @family(bernoulli(logit))\neta ~ w1 + w2\ny1 ~ w1"
    agrees(text, data, values, [unit(row) for row in data.itertuples()])


def test_factors_of_mixed_responses_with_missing_cells():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g1": rng.normal(size=10), "b1": rng.integers(0, 2, 10), "c1": rng.poisson(1.2, 10),
                         "o1": np.arange(10) % 3, "b2": rng.integers(0, 2, 10)}, dtype=float)  # fmt: skip
    data.loc[[0, 3], "g1"] = np.nan
    data.loc[[1, 3, 4], "b2"] = np.nan
    data.loc[[5], ["c1", "o1", "b2"]] = np.nan
    text = """
        f =~ g1 + b1
        h =~ c1 + o1 + b2
        @family(b1, bernoulli(probit))
        @family(c1, poisson)
        @family(o1, ordinal(logit))
        @family(b2, bernoulli(cloglog))
    """
    values = {"f=~b1": 0.7, "h=~o1": -1.2, "h=~b2": 0.9, "f~~f": 0.8, "f~~h": 0.25, "h~~h": 0.5, "g1~~g1": 0.6,
              "g1~1": 0.1, "b1~1": -0.2, "c1~1": 0.3, "b2~1": 0.15, "o1|t1": -0.6, "o1|t2": 0.9}  # fmt: skip

    def unit(row):
        items = {
            "g1": lambda f, h: log_density("gaussian", row.g1, 0.1 + f, theta=0.6),
            "b1": lambda f, h: log_density("bernoulli(probit)", row.b1, -0.2 + 0.7 * f),
            "c1": lambda f, h: log_density("poisson", row.c1, 0.3 + h),
            "o1": lambda f, h: log_density("ordinal(logit)", row.o1, -1.2 * h, kappa=(-0.6, 0.9)),
            "b2": lambda f, h: log_density("bernoulli(cloglog)", row.b2, 0.15 + 0.9 * h),
        }
        return Unit([[0.8, 0.25], [0.25, 0.5]], [f for name, f in items.items() if not np.isnan(getattr(row, name))])

    agrees(text, data, values, [unit(row) for row in data.itertuples()])


MULTILEVEL = """
    eta =~ y1 + y2 + y3
    eta ~ w1 + eta_class + 1*class_effect
    @level(class)
    eta_class =~ y4 + y5 + y6
    eta_class ~ w2
    class_effect =~ 0
"""


def test_multilevel_structural_equations_of_binary_items():
    rng = np.random.default_rng(3)
    klass = np.repeat([0, 1, 2], [3, 4, 2])
    data = pd.DataFrame(
        binary(9, ["y1", "y2", "y3"], rng)
        | {name: column[klass] for name, column in binary(3, ["y4", "y5", "y6"], rng).items()}
        | {"w1": rng.normal(size=9), "w2": rng.normal(size=3)[klass], "class": klass}
    )
    values = {"eta=~y2": 0.9, "eta=~y3": 1.3, "eta~w1": 0.4, "eta~eta_class": 0.6, "eta_class=~y5": 0.7,
              "eta_class=~y6": 1.1, "eta_class~w2": -0.5, "eta~~eta": 0.8, "eta_class~~eta_class": 0.6,
              "class_effect~~class_effect": 0.3, "y1~1": 0.1, "y2~1": -0.2, "y3~1": 0.3, "y4~1": 0.2, "y5~1": -0.1,
              "y6~1": 0.4}  # fmt: skip

    def item(y, intercept, loading, eta):
        return log_density("bernoulli(logit)", y, intercept + loading * eta)

    def student(row):
        def eta(zeta, at_class, effect):
            return 0.4 * row.w1 + 0.6 * (-0.5 * row.w2 + at_class) + effect + zeta

        measures = [(row.y1, 0.1, 1.0), (row.y2, -0.2, 0.9), (row.y3, 0.3, 1.3)]
        return Unit([[0.8]], [lambda *z, m=m: item(*m, eta(*z)) for m in measures])

    def of_class(rows):
        first = next(rows.itertuples())
        measures = [(first.y4, 0.2, 1.0), (first.y5, -0.1, 0.7), (first.y6, 0.4, 1.1)]
        own = [lambda at_class, effect, m=m: item(*m, -0.5 * first.w2 + at_class) for m in measures]
        return Unit(np.diag([0.6, 0.3]), own, [student(row) for row in rows.itertuples()])

    text = MULTILEVEL + "@family(y1 + y2 + y3 + y4 + y5 + y6, bernoulli(logit))"
    agrees(text, data, values, [of_class(rows) for _, rows in data.groupby("class")])


def test_two_latent_variables_that_cause_each_other():
    rng = np.random.default_rng(4)
    w, v = rng.normal(size=(2, 10))
    data = pd.DataFrame(binary(10, ["a1", "a2", "b1", "b2"], rng) | {"w": w, "v": v})
    text = """
        f =~ 1*a1 + 1*a2  @family(bernoulli)
        g =~ 1*b1 + 1*b2  @family(bernoulli)
        f ~ g + w
        g ~ f + v
    """
    values = {"f~g": 0.4, "f~w": 0.5, "g~f": -0.3, "g~v": 0.7, "f~~f": 0.9, "g~~g": 0.6, "a1~1": 0.1, "a2~1": -0.3,
              "b1~1": 0.2, "b2~1": 0.0}  # fmt: skip

    def unit(row):
        def eta(zeta_f, zeta_g):
            cause_f, cause_g = 0.5 * row.w + zeta_f, 0.7 * row.v + zeta_g
            f = (cause_f + 0.4 * cause_g) / (1 + 0.4 * 0.3)
            return f, cause_g - 0.3 * f

        items = [(row.a1, 0.1, 0), (row.a2, -0.3, 0), (row.b1, 0.2, 1), (row.b2, 0.0, 1)]
        return Unit(np.diag([0.9, 0.6]), [
            lambda *zeta, y=y, c=c, k=k: log_density("bernoulli(logit)", y, c + eta(*zeta)[k]) for y, c, k in items
        ])  # fmt: skip

    agrees(text, data, values, [unit(row) for row in data.itertuples()])


def test_items_in_long_form():
    rng = np.random.default_rng(5)
    item, person = np.tile([1, 2, 3], 6), np.repeat(np.arange(6), 3)
    indicators = {f"d{k}": (item == k) * 1.0 for k in (1, 2, 3)}
    data = pd.DataFrame({"y": rng.integers(0, 2, 18), "person": person} | indicators)
    text = """
        y ~ 0 + d1 + d2 + d3 + 1*theta:d1 + theta:d2 + theta:d3  @family(bernoulli(probit))
        @level(person)
        theta =~ 0
    """
    loading, location = [1.0, 0.6, 1.5], [0.3, -0.2, 0.5]
    values = {"y~theta:d2": 0.6, "y~theta:d3": 1.5, "theta~~theta": 0.8, "y~d1": 0.3, "y~d2": -0.2, "y~d3": 0.5}

    def unit(rows):
        return Unit([[0.8]], [
            lambda theta, y=y, k=k: log_density("bernoulli(probit)", y, location[k - 1] + loading[k - 1] * theta)
            for y, k in rows
        ])  # fmt: skip

    agrees(text, data, values, [unit(list(zip(data.y[person == p], item[person == p]))) for p in range(6)])


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize("family", ["ordinal(probit)", "ordinal(cloglog)", "sequential(logit)", "bernoulli(probit)"])
def test_scales_of_latent_responses_and_effects_on_thresholds(family, levels):
    rng = np.random.default_rng(7)
    ordered = not family.startswith("bernoulli")
    data = long_data(family, rng).assign(z=rng.uniform(-1, 1, 12))
    bar = "child" if levels == 2 else "school/child"
    text = f"y ~ x + (1 | {bar})  @family({family}) @dispersion(x)" + ("\n@thresholds(y ~ z)" if ordered else "")
    found = walk(text, data)
    values = {"y~x": 0.4, "y@dispersion~x": 0.25, "child.intercept~~child.intercept": 0.5}
    values |= {"y|t1": -0.5, "y|t2": 0.7, "y|t1~z": 0.3, "y|t2~z": -0.2} if ordered else {"y~1": 0.2}

    def cell(row):
        scale = np.exp(0.25 * row.x)
        kappa = np.array([-0.5 + 0.3 * row.z, 0.7 - 0.2 * row.z]) / scale

        def log_f(*eta):
            nu = (0.4 * row.x + (0.0 if ordered else 0.2) + sum(eta)) / scale
            return log_density(family, row.y, nu, kappa=kappa if ordered else ())

        return log_f

    units = [Unit([[0.5]], [cell(row) for row in data[c == CHILD].itertuples()]) for c in range(4)]
    if levels == 3:
        values["school.intercept~~school.intercept"] = 0.3
        units = [Unit([[0.3]], units=units[:2]), Unit([[0.3]], units=units[2:])]
    assert found.value(found.free(values), found.points(25)) == pytest.approx(log_likelihood(units, 61), abs=1e-8)


def test_items_of_every_ordered_family_on_one_factor():
    """Thresholds equal by labels, a fixed and a free asymptote, and a scale that depends on a covariate."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"o": np.arange(12) % 3, "s": rng.permutation(np.arange(12) % 4), "b": rng.integers(0, 2, 12),
                         "c": rng.integers(0, 2, 12), "w": rng.normal(size=12)})  # fmt: skip
    text = """
        f =~ o + s + b + c
        o | a*t1 + t2
        s | a*t1 + t2 + t3
        @family(o, ordinal(loglog))
        @family(s, sequential(cloglog))
        @family(b + c, bernoulli)
        @guessing(b ~ g*1)
        @guessing(c ~ g*1)
        @ceiling(c ~ 3*1)
        @dispersion(o ~ w)
    """
    values = {"f=~s": 0.8, "f=~b": 1.2, "f=~c": -0.7, "f~~f": 0.8, "a": -0.6, "o|t2": 0.9, "s|t2": 0.1, "s|t3": 0.4,
              "b~1": 0.2, "c~1": -0.3, "g": -1.1, "o@dispersion~w": 0.3}  # fmt: skip

    def unit(row):
        scale = np.exp(0.3 * row.w)
        return Unit([[0.8]], [
            lambda f: log_density("ordinal(loglog)", row.o, f / scale, kappa=np.array([-0.6, 0.9]) / scale),
            lambda f: log_density("sequential(cloglog)", row.s, 0.8 * f, kappa=(-0.6, 0.1, 0.4)),
            lambda f: log_density("bernoulli3pl(logit)", row.b, 0.2 + 1.2 * f, guessing=-1.1),
            lambda f: log_density("bernoulli4pl(logit)", row.c, -0.3 - 0.7 * f, guessing=-1.1, ceiling=3.0),
        ])  # fmt: skip

    agrees(text, data, values, [unit(row) for row in data.itertuples()], points=51)
