"""Bernoulli responses, 0 or 1: binomial with one trial."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semgllamm.responses import binomial
from semgllamm.responses.checks import as_numbers, refuse, require_finite

__all__ = ["FAMILIES"]


def check(values, trials, column):
    answers = as_numbers(values, column)
    require_finite(answers, column)
    strange = ~np.isnan(answers) & (answers != 0) & (answers != 1)
    if strange.any():
        distinct = np.unique(answers[~np.isnan(answers)])
        refuse(strange, answers, column,
               f"is neither 0 nor 1, as bernoulli requires; the column has {len(distinct)} different values",
               "Recode the two answers as 0 and 1." if len(distinct) <= 2 else
               f"More than two answers in order are ordinal: @family({column}, ordinal).")  # fmt: skip


def log_constant(y, n):
    return np.zeros(np.shape(y))


FAMILIES = tuple(
    replace(family, name="bernoulli", beside=None, check=check, log_constant=log_constant)
    for family in binomial.FAMILIES
)
