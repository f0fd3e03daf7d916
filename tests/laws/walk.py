"""The walk from a model text to its likelihood, as `semgllamm.fit` goes it, stopping short of the fit."""

from dataclasses import dataclass

import numpy as np

from semgllamm import api
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.estimation.automatic import Solution, estimate
from semgllamm.estimation.constrained import Restrictions
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.predictor import Predictor, plan_tree
from semgllamm.estimation.settings import Settings
from semgllamm.estimation.start import start_values
from semgllamm.integration.tree import Tree
from semgllamm.model.constraints import Constraints, constraints_of_cells, equality_map
from semgllamm.model.matrices import Model
from semgllamm.model.transforms import Working, working_parameters


@dataclass(frozen=True)
class Walk:
    """A model bound to data: what stands between the text and the fit."""

    diagram: PathDiagram
    model: Model
    tree: Tree
    working: Working
    likelihood: Likelihood
    constraints: Constraints | None = None

    @property
    def start(self) -> np.ndarray:
        return start_values(self.likelihood.predictor, self.diagram)

    def points(self, lowest: int, above: int | None = None) -> tuple[int, ...]:
        """Points of each level with latent variables, the lowest first."""
        rest = lowest if above is None else above
        return tuple(lowest if k == 0 else rest for k in range(len(self.likelihood.levels)))

    def free(self, values: dict[str, float]) -> np.ndarray:
        """The working parameters at which the named parameters have these values; every one must be named."""
        assert sorted(values) == sorted(self.model.names)
        cells = np.array([values[name] for name in self.model.names])
        return self.working.free_from_inner(self.working.inner_from_cells(cells))

    def cells(self, free: np.ndarray) -> dict[str, float]:
        cells = self.working.cells(self.working.inner(free))
        return {name: float(value) for name, value in zip(self.model.names, cells)}

    def value(self, free, points) -> float:
        self.likelihood.cold()
        return self.likelihood.value(free, points)

    def score(self, free, points) -> np.ndarray:
        self.likelihood.cold()
        return self.likelihood.score(free, points)[1]

    def solve(self, points, start=None, settings: Settings | None = None) -> Solution:
        start = self.start if start is None else start
        restrictions = self.constraints and Restrictions(self.constraints, self.working)
        return estimate(self.likelihood, start, points, settings or Settings(), restrictions=restrictions)


def walk(text, data, *, ordinary=False, threads=1, start=None, **arguments) -> Walk:
    settings = {name: arguments.pop(name, None) for name in ("family", "cluster", "group", "constraints")}
    settings |= {"ordered": arguments.pop("ordered", ()), "like": "fit", "missing": "ml"}
    diagram, model, design, *_ = api._bound(text, data, switches=arguments, start=start, **settings)
    tree = plan_tree(model, design)
    names = {name: number for name, number in api._names(diagram, model).items() if number >= 0}
    affine = equality_map(diagram, names, model.n_parameters)
    working = working_parameters(model, tuple(model.eta[k] for k in tree.order), affine)
    constraints = constraints_of_cells(diagram, names, model.rows, (working.K, working.c), working.positive())
    predictor = Predictor(model, working, tree, design)
    return Walk(diagram, model, tree, working, Likelihood(predictor, ordinary, threads), constraints)


def differences(function, x, h=1e-3) -> np.ndarray:
    """Gradient by fourth-order central differences."""
    out = np.zeros(len(x))
    for k in range(len(x)):
        e = np.zeros(len(x))
        e[k] = h * max(1.0, abs(x[k]))
        near, far = function(x + e) - function(x - e), function(x + 2 * e) - function(x - 2 * e)
        out[k] = (8 * near - far) / (12 * e[k])
    return out
