"""Answers with several linear predictors: shares, draws, and the kernels given the rest of the answer."""

import numpy as np
import pytest

from semgllamm.errors import DataError
from semgllamm.responses import multinomial, registry

NU = np.array([0.4, -1.0, 0.9, -0.2])


def test_shares_are_those_of_exponentials_and_bear_large_utilities():
    np.testing.assert_allclose(multinomial.shares(NU), np.exp(NU) / np.exp(NU).sum(), rtol=1e-14)
    np.testing.assert_allclose(multinomial.shares(NU + 1e4), multinomial.shares(NU), rtol=1e-10)


@pytest.mark.parametrize("chosen", range(4))
def test_the_kernels_add_up_to_the_probability_and_its_derivatives(chosen):
    code = registry.lookup("multinomial").code
    assert code == registry.lookup("ranking").code == registry.MULTINOMIAL
    L, p = np.log(np.exp(NU).sum()), multinomial.shares(NU)
    y = np.eye(4)[chosen]
    terms = np.array([registry.terms(code, y[a], 0.0, NU[a], L, 0.0) for a in range(4)])
    values = np.array([registry.value(code, y[a], 0.0, NU[a], L, 0.0) for a in range(4)])
    assert terms[:, 0].sum() == pytest.approx(np.log(p[chosen]), abs=1e-14)
    np.testing.assert_allclose(terms[:, :2], values, rtol=1e-14)
    np.testing.assert_allclose(terms[:, 1:4], np.column_stack([y - p, p, p]), rtol=1e-13)
    assert not terms[:, 4:].any()


@pytest.mark.parametrize("name", ["multinomial", "ranking"])
def test_draws_have_the_stated_shares(name):
    draws = registry.lookup(name).simulate(np.tile(NU, (40_000, 1)), None, None, np.random.default_rng(1))
    first = (draws == 1).mean(axis=0)
    np.testing.assert_allclose(first, multinomial.shares(NU), atol=0.01)
    if name == "multinomial":
        assert (draws.sum(axis=1) == 1).all()
        return
    assert (np.sort(draws, axis=1) == np.arange(1.0, 5.0)).all()
    # whoever stands second is the first of what the winner leaves
    left = NU[[0, 1, 3]]
    second = (draws[draws[:, 2] == 1] == 2).mean(axis=0)[[0, 1, 3]]
    np.testing.assert_allclose(second, multinomial.shares(left), atol=0.015)


def test_more_categories_than_a_table_can_show_are_refused():
    check = registry.lookup("multinomial").check
    check(np.arange(50.0), None, "u")
    with pytest.raises(DataError, match=r"'u' has 51 categories.*\n.*@alternatives"):
        check(np.arange(51.0), None, "u")
