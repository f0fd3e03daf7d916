"""semgllamm: generalized linear latent and mixed models from a lavaan-style model string."""

from __future__ import annotations

from importlib import import_module

from semgllamm.errors import (
    DataError,
    EstimationError,
    ModelError,
    ModelSyntaxError,
    SemgllammError,
    SemgllammWarning,
)

# public names and the modules they load from when first used: numba, SciPy, pandas and lark are not needed to import
_LAZY = {
    "fit": "semgllamm.api",
    "sem": "semgllamm.api",
    "cfa": "semgllamm.api",
    "growth": "semgllamm.api",
    "lavaan": "semgllamm.api",
    "identification": "semgllamm.api",
    "load": "semgllamm.api",
    "simulate": "semgllamm.api",
    "compare": "semgllamm.results.compare",
    "information_criteria": "semgllamm.results.criteria",
    "parse": "semgllamm.api",
    "covariance_matrix": "semgllamm.data.moments",
    "explain": "semgllamm.stages",
    "parameter_table": "semgllamm.api",
    "load_dataset": "semgllamm.data.datasets",
    "person_periods": "semgllamm.data.person_periods",
    "Settings": "semgllamm.estimation.settings",
    "Adaptive": "semgllamm.estimation.settings",
    "Grid": "semgllamm.estimation.settings",
    "Ordinary": "semgllamm.estimation.settings",
    "Replicates": "semgllamm.data.replicates",
    "Fit": "semgllamm.results.fit",
    "PathDiagram": "semgllamm.diagram.diagram",
}

__all__ = [
    "Adaptive", "DataError", "EstimationError", "Fit", "Grid", "ModelError", "ModelSyntaxError", "Ordinary",
    "PathDiagram", "Replicates", "SemgllammError", "SemgllammWarning", "Settings", "cfa", "compare",
    "covariance_matrix", "explain", "fit", "growth", "identification", "information_criteria", "lavaan", "load",
    "load_dataset", "parameter_table", "parse", "person_periods", "sem", "simulate",
]  # fmt: skip


def __getattr__(name: str):
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'semgllamm' has no attribute '{name}'")


def __dir__():
    return sorted([*globals(), *_LAZY])
