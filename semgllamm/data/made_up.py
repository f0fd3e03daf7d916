"""Data that are made up: units and covariates for a model, and places for its answers.

A place for an answer is a possible value, so that the data can be bound to the model; every category occurs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data.design import _covariates_by_level, _parts
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.errors import DataError
from semgllamm.model.matrices import Model, Response

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["made_up", "with_places_for_answers"]


def made_up(
    model: Model, diagram: PathDiagram, n_units: int | Mapping[str, int], rng: np.random.Generator
) -> pd.DataFrame:
    """Units numbered from 1, and standard normal covariates at the highest level at which each is used.

    Raises
    ------
    DataError
        For numbers of units that are not positive, or not those of the model's levels.
    """
    import pandas as pd

    levels = model.levels
    counts = dict(n_units) if isinstance(n_units, Mapping) else {levels[0]: n_units}
    if set(counts) != set(levels):
        example = ", ".join(f'"{level}": {10 * (k + 1)}' for k, level in enumerate(reversed(levels)))
        raise DataError(f"n_units has {', '.join(counts)}, but the levels are {', '.join(levels)}",
                        remedy=f"Write n_units={{{example}}}.")
    for level, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
            raise DataError(f"n_units of '{level}' is {count!r}", remedy="Give a positive whole number.")
    out: dict[str, np.ndarray] = {}
    n = int(np.prod([counts[level] for level in levels]))
    unit = {0: np.arange(n)}
    size = n
    for k in range(len(levels) - 1, 0, -1):
        size //= counts[levels[k]]
        unit[k] = np.arange(n) // size
        out[levels[k]] = unit[k] + 1
    answers = {r.name for r in model.responses}
    height: dict[str, int] = {}
    for level, names in _covariates_by_level(model).items():
        for name in (part for whole in names for part in _parts(whole)):
            if name not in answers:
                height[name] = max(level, height.get(name, 0))
    for name in sorted(height):
        code = unit[height[name]]
        out[name] = rng.standard_normal(int(code.max()) + 1)[code]
    for role in diagram.columns:
        if role.kind == "event":
            out[role.column] = np.ones(n, dtype=int)
    return pd.DataFrame(out, index=range(n))


def with_places_for_answers(model: Model, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The frame with a possible value of each response in every row, the same in all rows of a unit of its level."""
    out = {}
    for response in model.responses:
        if response.level == 0 or any(level not in frame.columns for level in model.levels[response.level :]):
            code = np.arange(len(frame))
        else:
            code = frame.groupby(list(model.levels[: response.level - 1 : -1]), sort=False).ngroup().to_numpy()
        out[response.name] = _possible(response, int(code.max()) + 1, rng)[code]
    return frame.assign(**out)


def _possible(response: Response, n: int, rng: np.random.Generator) -> np.ndarray:
    family = response.family
    if response.categories or family.probabilities is not None:
        return np.arange(n) % max(response.categories, 2)
    own = np.zeros(n) if family.own < 2 else np.zeros((n, 2))
    nu = next(x for x in (0.5, -0.5) if np.isfinite(family.mean(np.array([x]), own[:1])).all())
    drawn = family.simulate(np.full(n, nu), own, np.ones(n), rng)
    return drawn.astype(int) if (drawn % 1 == 0).all() else drawn
