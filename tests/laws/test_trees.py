"""The integration tree that the rule finds by itself, and its cost: Σ over responses of Π of points on the path."""

import numpy as np
import pytest
from brute_force import Unit, log_density, log_likelihood
from walk import walk
from zoo import BINARY, ZOO, pupils

# points of the lowest level that trees are compared at
Q = 9


def paths(found):
    names = found.model.eta
    return {names[k]: [names[v] for v in found.tree.path(k)] for k in found.tree.order}


def cost_by_response(found):
    """Latent variables on the path of each response."""
    return {name: len(path) for name, path in found.likelihood.predictor.paths[0].items()}


@pytest.mark.parametrize("specific", [2, 3, 8])
def test_bifactor_costs_two_dimensions_whatever_the_number_of_factors(specific):
    rng = np.random.default_rng(1)
    data = pupils().assign(**{f"y{k}": rng.integers(0, 2, len(pupils())) for k in range(3 * specific)})
    items = [f"y{k}" for k in range(3 * specific)]
    lines = [f"g =~ {' + '.join(items)}"]
    lines += [f"s{k} =~ {' + '.join(items[3 * k : 3 * k + 3])}" for k in range(specific)]
    found = walk("\n".join(lines), data, family="bernoulli", orthogonal=True)
    assert found.tree.cost == pytest.approx(3 * specific * len(data) * Q**2)
    assert all(path == ["g", name] for name, path in paths(found).items() if name != "g")


def test_bifactor_is_the_three_dimensional_integral():
    data = pupils(4)
    found = walk(f"g =~ b1 + b2 + b3 + b4\ns =~ b1 + b2\nt =~ b3 + b4\n{BINARY.replace(' + b5 + b6', '')}", data,
                 orthogonal=True)  # fmt: skip
    values = {"g=~b2": 0.8, "g=~b3": 1.1, "g=~b4": 0.9, "s=~b2": 1.2, "t=~b4": 0.7, "g~~g": 0.7, "s~~s": 0.5,
              "t~~t": 0.6, "b1~1": 0.1, "b2~1": -0.2, "b3~1": 0.3, "b4~1": 0.0}  # fmt: skip

    def unit(row):
        items = [(row.b1, 0.1, 1, 1, 0), (row.b2, -0.2, 0.8, 1.2, 0), (row.b3, 0.3, 1.1, 0, 1),
                 (row.b4, 0.0, 0.9, 0, 0.7)]  # fmt: skip
        return Unit(np.diag([0.7, 0.5, 0.6]), [
            lambda g, s, t, y=y, c=c, a=a, b=b, d=d: log_density("bernoulli(logit)", y, c + a * g + b * s + d * t)
            for y, c, a, b, d in items
        ])  # fmt: skip

    expected = log_likelihood([unit(row) for row in data.itertuples()], size=41)
    assert found.value(found.free(values), found.points(25)) == pytest.approx(expected, abs=1e-8)


def depths(name):
    return cost_by_response(walk(ZOO[name].text, pupils(), **ZOO[name].arguments))


def test_second_order_factor_costs_two_dimensions():
    assert set(depths("second order").values()) == {2}


def test_three_occasions_have_the_middle_one_at_the_root():
    found = walk(ZOO["three occasions"].text, pupils())
    assert paths(found) == {"g": ["g"], "f": ["g", "f"], "h": ["g", "h"]}


def test_correlated_factors_are_a_chain():
    assert sorted(depths("correlated factors").values()) == [1, 1, 2, 2, 3, 3]


def test_the_largest_set_of_items_is_nearest_the_root():
    found = walk(f"f =~ b1\ng =~ b2 + b3 + b4 + b5\nh =~ b6 + b1\n{BINARY}", pupils())
    assert paths(found)["g"] == ["g"]


def test_higher_levels_are_nearer_the_root():
    found = walk(ZOO["random slopes of a latent variable"].text, pupils())
    assert paths(found)["f"][:-1] == [name for name in paths(found)["f"] if name.startswith("class.")]


def test_a_variable_whose_variance_is_fixed_at_zero_is_not_integrated():
    found = walk(f"f =~ b1 + b2 + b3\ng =~ b4 + b5 + b6\ng ~ f\ng ~~ 0*g\n{BINARY}", pupils())
    assert list(paths(found)) == ["f"]
    assert set(cost_by_response(found).values()) == {1}
