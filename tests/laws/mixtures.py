"""The walk to the likelihood of a mixture, and small data with every kind of classes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from semgllamm import api
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.settings import Request, Settings
from semgllamm.estimation.start import start_values
from semgllamm.model.constraints import equality_map


@dataclass(frozen=True)
class MixtureWalk:
    diagram: PathDiagram
    likelihood: MixtureLikelihood

    def free(self, values: dict[str, float]) -> np.ndarray:
        names = self.likelihood.model.names
        assert sorted(values) == sorted(names)
        working = self.likelihood.working
        return working.free_from_inner(working.inner_from_cells(np.array([values[name] for name in names])))

    def points(self, count: int) -> tuple[int, ...]:
        return tuple(count for _ in self.likelihood.levels)

    def somewhere(self, seed: int) -> np.ndarray:
        """Parameters off the start values, where classes differ."""
        start = start_values(self.likelihood.predictor, self.diagram)
        return start + 0.3 * np.random.default_rng(seed).normal(size=len(start))


def walk_mixture(text: str, data: pd.DataFrame, group: str | None = None, **arguments) -> MixtureWalk:
    diagram, model, design, *_ = api._bound(
        text, data, like="fit", family=None, cluster=None, group=group, ordered=(), constraints=None, missing="ml",
        switches=arguments, start=None,
    )  # fmt: skip
    names = {name: number for name, number in api._names(diagram, model).items() if number >= 0}
    affine = equality_map(diagram, names, model.n_parameters)
    likelihood, *_ = api._mixture(model, design, affine, "auto", Settings(threads=1), Request.of("fit"))
    return MixtureWalk(diagram, likelihood)


def with_known_classes(data: pd.DataFrame, seed: int = 3) -> pd.DataFrame:
    """Rows whose class (`known`) or whose cluster's class (`cluster_known`) is known, here and there."""
    rng = np.random.default_rng(seed)
    clusters = data["class"].unique()
    number = np.where(rng.random(len(clusters)) < 0.4, rng.integers(1, 3, len(clusters)), np.nan)
    of_cluster = pd.Series(number, clusters)
    known = np.where(rng.random(len(data)) < 0.3, rng.integers(1, 3, len(data)), np.nan)
    return data.assign(known=known, cluster_known=data["class"].map(of_cluster))
