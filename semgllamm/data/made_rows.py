"""Designs of rows that are no data: answers and covariates that somebody asks about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from semgllamm.data.design import CellBlock, Design, parted
from semgllamm.model.matrices import Model

__all__ = ["answered_rows"]


def answered_rows(
    model: Model, group: np.ndarray, answers: Mapping[str, np.ndarray], columns: Mapping[str, np.ndarray]
) -> Design:
    """A design of rows that are units of their own at every level.

    Parameters
    ----------
    model : Model
        Without choices in long form.
    group : (n,) int array
    answers : dict of str to (n,) array
        By response, those of the linear predictors of nominal ones 0 or 1; NaN where it is not asked about.
    columns : dict of str to (n,) array
        Covariates.
    """
    n = len(group)
    rows = np.arange(n)
    blocks = []
    for g in range(len(model.group_labels)):
        for response in model.responses:
            if response.name not in answers:
                continue
            y = np.asarray(answers[response.name], dtype=float)
            seen = np.flatnonzero((group == g) & ~np.isnan(y))
            trials = np.full(n, response.categories - 1.0 if response.family.thresholds == "all" else 1.0)
            for category, around, mine, repeats in parted(response, y, seen):
                if len(mine):
                    choice = mine if response.answer else None
                    blocks.append(CellBlock(
                        response, g, category, around, mine, y[mine], trials[mine], np.zeros(len(mine)), repeats,
                        choice, choice,
                    ))  # fmt: skip
    levels = len(model.levels)
    return Design(n, n, rows, (rows,) * levels, (rows,) * levels, tuple(blocks), dict(columns), (), group_of=group)
