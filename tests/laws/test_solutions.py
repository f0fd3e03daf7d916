"""At every solution, for every number of points, the derivative of the log-likelihood as reported vanishes."""

from itertools import product

import numpy as np
import pytest
from walk import differences, walk
from zoo import ZOO, answers, pupils, with_missing_cells

MODELS = [
    "one factor, every family", "counts with exposure", "ordinal probit", "direct effect", "three occasions",
    "correlated factors, unit variances", "items in long form", "three-level random slopes",
    "random slopes of a latent variable", "multilevel structural equations, binary", "labels across levels",
    "residual covariances and missing cells", "linear constraints", "groups",
]  # fmt: skip
GAUSSIAN = ["a named random slope", "multilevel structural equations, gaussian", "equal residual variances",
            "residual covariance across factors", "lavaan's levels"]  # fmt: skip


def data_for(name):
    if name == "items in long form":
        return answers(300)
    # fewer binary answers leave Laplace's likelihood without a maximum: loadings run off
    classes = 150 if name == "multilevel structural equations, binary" else 60
    return with_missing_cells(pupils(classes)) if "missing" in name or "every family" in name else pupils(classes)


@pytest.mark.parametrize(
    "name, points", [*product(MODELS, [1, 3, 7, 15]), *product(GAUSSIAN, [1])], ids=lambda part: str(part)
)
def test_derivative_vanishes(name, points):
    found = walk(ZOO[name].text, data_for(name), **ZOO[name].arguments)
    rule = found.points(points, min(points, 3))
    solution = found.solve(rule)
    free = solution.optimum.free
    assert solution.optimum.convergence.converged, solution.optimum.convergence.message
    gradient = differences(lambda x: found.value(x, rule), free)
    se = np.sqrt(np.diag(np.linalg.pinv(solution.information)))
    assert np.all(np.abs(gradient) * se <= 1e-4)
