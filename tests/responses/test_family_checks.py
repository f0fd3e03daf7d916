"""Impossible data are refused with the column, the first such row, and its value."""

from __future__ import annotations

import numpy as np
import pytest

from semgllamm.errors import DataError
from semgllamm.responses import registry
from semgllamm.responses.ordinal import LARGEST_NUMBER_OF_CATEGORIES

NAN, INF = np.nan, np.inf

REFUSED = [
    ("gaussian", [0.5, NAN, -INF], None, ["row 2", "-inf", "not finite"]),
    ("gaussian", ["1", "two", "3"], None, ["row 1", "two", "not a number"]),
    ("bernoulli", [0, 1, 2, 1], None, ["row 2", "2 is neither 0 nor 1", "3 different values", "ordinal"]),
    ("bernoulli", [1, 2, 1, 2], None, ["row 1", "Recode"]),
    ("bernoulli", [0.5, 1], None, ["row 0", "0.5"]),
    ("bernoulli", [0, 1, INF], None, ["row 2", "inf"]),
    ("binomial", [3, -1], [5, 5], ["row 1", "-1 is negative"]),
    ("binomial", [3, 1.5], [5, 5], ["row 1", "1.5", "whole number"]),
    ("binomial", [3, 6], [5, 5], ["row 1", "6 successes are more than there were trials"]),
    ("binomial", [3, 2], [5, NAN], ["row 1", "nan is not a number of trials"]),
    ("binomial", [3, 2], [5.5, 5], ["row 0", "5.5 is not a number of trials"]),
    ("binomial", [1, 2], None, ["row 1", "@trials(visits, n)"]),
    ("poisson", [2, 0, -3], None, ["row 2", "-3 is negative"]),
    ("poisson", [2, 0.25], None, ["row 1", "0.25", "whole number"]),
    ("poisson", [2, INF], None, ["row 1", "not finite"]),
    ("gamma", [0.5, 0.0], None, ["row 1", "0 is not positive", "gamma"]),
    ("inversegaussian", [0.5, NAN, -1], None, ["row 2", "-1 is not positive", "inversegaussian"]),
    ("nbinom1", [1, -2], None, ["row 1", "-2 is negative", "nbinom1"]),
    ("nbinom2", [1, 0.5], None, ["row 1", "0.5 is not a whole number", "nbinom2"]),
    ("beta", [0.5, 0.0], None, ["row 1", "0 is not between 0 and 1"]),
    ("beta", [0.5, 0.2, 1], None, ["row 2", "1 is not between 0 and 1"]),
    ("exponential", [1.5, -2], [1, 0], ["row 1", "-2 is not positive"]),
    ("weibull", [1.5, 0], [1, 0], ["row 1", "0 is not positive"]),
    ("weibull", [1.5, 2.5], [1, 2], ["row 1", "2 is neither 0 nor 1 in the column of events"]),
    ("exponential", [1.5, 2.5], [NAN, 1], ["row 0", "nan is neither 0 nor 1"]),
    ("censored", [1.5, INF], None, ["row 1", "inf is not finite", "@interval(visits, upper)"]),
    ("zipoisson", [0, -1], None, ["row 1", "-1 is negative"]),
    ("zinbinom2", [0, 1.5], None, ["row 1", "1.5 is not a whole number"]),
    ("hurdlepoisson", [0, 1.5], None, ["row 1", "1.5 is not a whole number"]),
    ("ordinal", [1, 2, 2.5], None, ["row 2", "2.5", "whole number"]),
    ("ordinal", [1, INF], None, ["row 1", "not finite"]),
    ("ordinal", ["low", "high"], None, ["row 0", "low", "not a number"]),
    ("ordinal", np.arange(10_000), None, ["10000 categories", f"{LARGEST_NUMBER_OF_CATEGORIES}"]),
]

ACCEPTED = [
    ("gaussian", [0.5, NAN, None, -3], None),
    ("bernoulli", [True, False, True], None),
    ("bernoulli", [0, NAN, 1], None),
    ("binomial", [3, NAN, 0], [5, NAN, 0]),
    ("binomial", [3, 5], 5),
    ("poisson", [0, 12_345, NAN], None),
    ("ordinal", [1, 2, 5, NAN, 3], None),
    ("gamma", [0.5, NAN, 3], None),
    ("beta", [0.5, NAN, 1e-9], None),
    ("weibull", [0.5, NAN, 3], [1, NAN, 0]),
    ("exponential", [0.5, NAN, 3], None),
    ("censored", [-0.5, NAN, 3], [-INF, NAN, 3]),
    ("hurdlenbinom1", [0, NAN, 3], None),
    ("ordinal", np.arange(LARGEST_NUMBER_OF_CATEGORIES), None),
]


@pytest.mark.parametrize("name, values, trials, said", REFUSED)
def test_impossible_data_are_refused_with_their_place(name, values, trials, said):
    for link in registry.links_of(name):
        with pytest.raises(DataError) as refusal:
            registry.lookup(name, link).check(np.array(values), trials, "visits")
        assert "column 'visits'" in str(refusal.value)
        for words in said:
            assert words in str(refusal.value)


@pytest.mark.parametrize("name, values, trials", ACCEPTED)
def test_possible_data_pass(name, values, trials):
    registry.lookup(name).check(np.array(values), trials, "visits")


def test_every_family_refuses_infinity_and_words(family):
    for impossible in (np.array([0.0, 1.0, INF]), np.array(["a", "b", "c"])):
        with pytest.raises(DataError, match="column 'visits', row"):
            family.check(impossible, np.array([2.0, 2.0, 2.0]), "visits")
