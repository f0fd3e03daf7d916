"""What must not change the likelihood: order, names, spelling, identical units, threads, variances of zero."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln
from walk import walk
from zoo import ZOO, pupils, with_missing_cells


def canonical(name):
    """A covariance has no direction."""
    ends = name.split("~~")
    return "~~".join(sorted(ends)) if len(ends) == 2 and "." not in ends[1] else name


def some_values(found, seed=4):
    """Named parameters at a random point, by their names without direction."""
    rng = np.random.default_rng(seed)
    values = found.cells(found.start + 0.1 * rng.normal(size=len(found.start)))
    return {canonical(name): value for name, value in values.items()}


def value(found, values, points=5):
    free = found.free({name: values[canonical(name)] for name in found.model.names})
    return found.value(free, found.points(points, 3))


@pytest.mark.parametrize("name", ZOO)
def test_order_of_rows(name):
    example = ZOO[name]
    data = example.data()
    found = walk(example.text, data, **example.arguments)
    values = some_values(found)
    # the first row stays: it settles which group is the first
    order = [0, *(1 + np.random.default_rng(1).permutation(len(data) - 1))]
    shuffled = walk(example.text, data.iloc[order], **example.arguments)
    assert value(shuffled, values) == pytest.approx(value(found, values), abs=1e-9)


@pytest.mark.parametrize("name", [
    "three-level random slopes", "multilevel structural equations, binary", "lavaan's levels",
])  # fmt: skip
def test_names_of_units(name):
    example = ZOO[name]
    data = example.data()
    found = walk(example.text, data, **example.arguments)
    values = some_values(found)
    renamed = data.assign(**{
        "class": [f"class {7 * k % 13} of {k}" for k in data["class"]],
        "school": 1e6 - 3.5 * data["school"],
    })  # fmt: skip
    again = walk(example.text, renamed, **example.arguments)
    assert value(again, values) == pytest.approx(value(found, values), abs=1e-9)


@pytest.mark.parametrize("name", [
    "one factor, every family", "second order", "bifactor", "correlated factors", "three occasions", "mutual causes",
    "latent times observed", "residual covariances and missing cells", "random slopes of a latent variable",
])  # fmt: skip
def test_order_of_statements(name):
    example = ZOO[name]
    found = walk(example.text, example.data(), **example.arguments)
    values = some_values(found)
    backwards = "\n".join(reversed(example.text.splitlines()))
    assert value(walk(backwards, example.data(), **example.arguments), values) == pytest.approx(
        value(found, values), abs=1e-9
    )


SPELLINGS = {
    "lme4": ("b1 ~ w + (1 + w | class)", {"b1~w": 0.4, "class.intercept~~class.intercept": 0.5,
             "class.intercept~~class.w": 0.1, "class.w~~class.w": 0.3}),
    "block": ("""
        b1 ~ w + 1*slope:w
        @level(class)
        intercept =~ 1*b1
        slope =~ 0
        intercept ~~ slope
     """, {"b1~w": 0.4, "intercept~~intercept": 0.5, "intercept~~slope": 0.1, "slope~~slope": 0.3}),
    "rv": ("""
        b1 ~ rv("slope")*w + 1*intercept
        @level(class)
        slope ~~ slope
        intercept =~ 0
        intercept ~~ slope
     """, {"slope~1": 0.4, "intercept~~intercept": 0.5, "intercept~~slope": 0.1, "slope~~slope": 0.3}),
}  # fmt: skip


@pytest.mark.parametrize("spelling", ["block", "rv"])
def test_spellings_of_random_effects(spelling):
    def loglik(name):
        text, values = SPELLINGS[name]
        found = walk(text, pupils(), family="bernoulli")
        return value(found, {canonical(name): v for name, v in (values | {"b1~1": -0.2}).items()}, points=11)

    assert loglik(spelling) == pytest.approx(loglik("lme4"), abs=1e-9)


@pytest.mark.parametrize("family", ["bernoulli", "gaussian"])
def test_level_without_variance(family):
    data, item = pupils(), {"bernoulli": "b1", "gaussian": "g1"}[family]
    small = walk(f"{item} ~ w + (1 + w | class)", data, family=family)
    large = walk(f"{item} ~ w + (1 + w | class) + (1 + w | school)", data, family=family)
    values = some_values(small)
    nothing = {f"school.{x}~~school.{z}": 0.0 for x, z in (("intercept", "intercept"), ("intercept", "w"), ("w", "w"))}
    cells = np.array([(values | nothing)[canonical(name)] for name in large.model.names])
    inner = large.working.inner_from_cells(cells)
    inner[[name in nothing for name in large.model.names]] = 0.0  # the Cholesky factor itself
    at_zero = large.value(large.working.free_from_inner(inner), large.points(7, 7))
    assert at_zero == pytest.approx(small.value(small.free(values), small.points(7)), abs=1e-9)


@pytest.mark.parametrize("link", ["logit", "probit", "loglog"])
def test_trials_with_asymptotes_are_rows_of_one_trial(link):
    """But for the number of orders in which the answers may come, and whether they share one random intercept."""
    data = pupils().assign(m=lambda d: 1.0 + np.arange(len(d)) % 4, s=lambda d: np.minimum(d.c1, d.m))
    data = data.assign(row=np.arange(len(data)))
    each = data.loc[data.index.repeat(data.m.astype(int))]
    order = each.groupby("row").cumcount()
    each = each.assign(u=1.0 * (order < each.s))
    model = "~ w + (1 | class)  @family({}({})) @guessing(1) @ceiling(1 + v)"
    counted = walk(f"s {model.format('binomial', link)} @trials(m)", data)
    single = walk(f"u {model.format('bernoulli', link)}", each)
    values = {"~1": 0.2, "~w": 0.7, "@guessing~1": -1.3, "@ceiling~1": 2.0, "@ceiling~v": 0.4}
    classes = {"class.intercept~~class.intercept": 0.8}
    ways = (gammaln(data.m + 1) - gammaln(data.s + 1) - gammaln(data.m - data.s + 1)).sum()
    expected = value(single, {f"u{name}": v for name, v in values.items()} | classes) + ways
    assert value(counted, {f"s{name}": v for name, v in values.items()} | classes) == pytest.approx(expected, abs=1e-9)


def test_identical_units_count_as_often_as_they_occur():
    data = pupils()[["b1", "b2", "b3", "class"]]
    text = "f =~ b1 + b2 + b3  @family(bernoulli)\nf ~ (1 | class)"
    found = walk(text, data)
    values = some_values(found)
    copies = pd.concat([data.assign(**{"class": data["class"] + 100 * k}) for k in range(3)])
    tripled = walk(text, copies)
    assert value(tripled, values) == pytest.approx(3 * value(found, values), abs=1e-9)
    assert len(tripled.likelihood.predictor.program.roots) == len(found.likelihood.predictor.program.roots)


@pytest.mark.parametrize("text", [
    "f =~ b1 + b2 + b3  @family(bernoulli)\nf ~ (1 | class)",
    "f =~ c1 + b2 + o1\nf ~ (1 | school/class)\n@family(b2, bernoulli)\n@family(c1, poisson)\n@family(o1, ordinal)",
], ids=["binary", "mixed"])  # fmt: skip
def test_collapsing_identical_units_changes_nothing(text):
    """A covariate without effect that differs between all rows keeps identical units apart."""
    data = pupils(60).assign(mark=lambda d: np.arange(len(d)))
    found, apart = walk(text, data), walk(f"{text}\nb2 ~ 0*mark", data)
    kept = [len(w.likelihood.predictor.program.cells) for w in (found, apart)]
    assert kept[0] < kept[1]
    values = some_values(found)
    assert value(found, values) == pytest.approx(value(apart, values), abs=1e-8)
    free, points = found.start, found.points(5, 3)
    np.testing.assert_allclose(found.score(free, points), apart.score(free, points), atol=1e-8)


@pytest.mark.parametrize("name", ["random slopes of a latent variable", "three-level random slopes"])
def test_threads_give_the_same_digits(name):
    data = pupils(300)
    found = {}
    for threads in (1, 2, 5):
        w = walk(ZOO[name].text, data, threads=threads)
        free, points = w.start, w.points(7, 3)
        found[threads] = [w.value(free, points), *w.score(free, points), *w.likelihood.louis(free, points)[2].ravel()]
    assert found[1] == found[2] == found[5]


def test_a_covariance_with_a_disturbance_is_a_regression_on_the_latent_variable():
    """f = a w + ζ and z = b w + e with cov(ζ, e) = ω are f and z = (b − g a) w + g f + e*, g = ω/ψ."""
    data = with_missing_cells(pupils())
    items = "f =~ b1 + b2 + b3  @family(bernoulli)\nf ~ w\n"
    joined, regressed = walk(items + "g4 ~ w\nf ~~ g4", data), walk(items + "g4 ~ w + f", data)
    values = joined.cells(joined.start + 0.1) | {"f~w": 0.4, "g4~w": 0.3, "f~~f": 0.9, "g4~~g4": 0.7, "f~~g4": 0.35}
    g = 0.35 / 0.9
    others = {name: value for name, value in values.items() if name != "f~~g4"}
    others |= {"g4~w": 0.3 - g * 0.4, "g4~f": g, "g4~~g4": 0.7 - g * 0.35}
    for points in (1, 3, 8):
        here = joined.value(joined.free(values), joined.points(points))
        assert here == pytest.approx(regressed.value(regressed.free(others), regressed.points(points)), abs=1e-9)


def test_a_residual_covaries_no_more_than_its_variance_allows():
    found = walk("f =~ b1 + b2 + b3  @family(bernoulli)\ng4 ~~ f", pupils())
    values = found.cells(found.start) | {"f~~f": 0.9, "g4~~g4": 0.7}
    within = found.free(values | {"f~~g4": 0.99 * np.sqrt(0.63)})
    beyond = found.free(values | {"f~~g4": 1.01 * np.sqrt(0.63)})
    assert np.isfinite(found.value(within, found.points(5)))
    assert found.value(beyond, found.points(5)) == -np.inf


@pytest.mark.parametrize("labels, constraints", [
    (("v", "v", "c", "d"), "v == w"), (("v", "u", "c", "c"), "c == d"), (("v", "v", "c", "c"), "v == w\nc == d"),
])  # fmt: skip
def test_a_constraint_that_two_cells_be_equal_is_a_common_label(labels, constraints):
    text = """
        f =~ b1 + b2
        g =~ b3 + b4
        h =~ b5 + b6
        f ~~ {}*f
        g ~~ {}*g
        f ~~ {}*g + {}*h
        @family(b1 + b2 + b3 + b4 + b5 + b6, bernoulli)
    """
    one = walk(text.format(*labels), pupils())
    apart = ("v", "w" if labels[1] == "v" else "u", "c", "d")
    other = walk(text.format(*apart) + constraints, pupils())
    values = one.cells(one.start) | {"v": 0.9, "c": 0.2}
    values |= {"w": 0.9} if "v ==" in constraints else {"u": 0.7}
    values |= {"d": 0.2} if "c ==" in constraints else {"d": 0.3}
    found = [m.value(m.free({n: values[n] for n in m.model.names}), m.points(5)) for m in (one, other)]
    assert found[0] == pytest.approx(found[1], abs=1e-9)
    assert one.likelihood.n_free == other.likelihood.n_free
