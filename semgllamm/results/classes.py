"""Who belongs to which class: posterior probabilities, sizes of classes, and how clearly they are told apart.

    p_j(c = k) = π_jk f_j(y | k) / Σ_d π_jd f_j(y | d),        entropy R² = 1 + Σ_j Σ_k p log p / (J log K)

(Ramaswamy, DeSarbo, Reibstein and Robinson 1993; 1 where all are certain of their class, 0 where none knows anything).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.errors import ModelError
from semgllamm.estimation.inner_classes import InnerClasses, refused
from semgllamm.estimation.mixture import MixtureLikelihood

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.model.matrices import Model
    from semgllamm.results.fit import Fit

__all__ = [
    "class_columns", "class_probabilities", "class_sizes", "classes_that_are_none", "entropy", "membership_of",
    "plausible_classes", "prior_and_posterior", "variable_number",
]  # fmt: skip

ALIKE = 1e-3  # relative difference of two densities that are the same


def membership_of(fit: Fit) -> MixtureLikelihood:
    """The likelihood of a fit with classes outside its integrals.

    Raises
    ------
    ModelError
        If the model has no categorical latent variable, or one below a continuous latent variable.
    """
    if isinstance(fit.likelihood, InnerClasses):
        raise refused(fit.likelihood, "profiles, tests and distal outcomes are")
    if not isinstance(fit.likelihood, MixtureLikelihood):
        raise ModelError(
            "the model has no categorical latent variable", remedy="Declare one: @latent(c, classes(2))."
        )
    return fit.likelihood


def prior_and_posterior(fit: Fit, v: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the classes of the v-th categorical variable without and with the answers, (units, K) each.

    The first of a variable whose classes depend on others' is averaged over these.
    """
    if isinstance(fit.likelihood, InnerClasses):
        return _of_inner_classes(fit, v)
    likelihood = membership_of(fit)
    inner = likelihood.working.inner(fit.free)
    _, members = likelihood.members(fit.free, fit.points)
    shares, h = [], None
    for membership, level in zip(likelihood.memberships, likelihood.mixing.levels):
        log_pi = membership.unknown_log_probabilities(inner)
        shares.append(np.exp(log_pi).reshape(level.n, level.width))
    prior = likelihood.mixing.down(shares)
    variable = fit.model.classes[v]
    a = likelihood.heights.index(variable.level)
    h = likelihood.class_of[a][:, v]
    kinds = [h == k for k in range(len(variable.classes))]
    both = (np.column_stack([p[a][:, kind].sum(axis=1) for kind in kinds]) for p in (prior, members.posterior))
    return tuple(p[likelihood.kept_of(a)] for p in both)


def _of_inner_classes(fit: Fit, v: int) -> tuple[np.ndarray, np.ndarray]:
    by_pattern = fit.likelihood.class_probabilities(fit.free, fit.points)
    kinds = np.array([pattern[v] for pattern in fit.model.patterns])
    K = len(fit.model.classes[v].classes)
    posterior = np.column_stack([by_pattern[:, kinds == k].sum(axis=1) for k in range(K)])
    return fit.likelihood.prior_probabilities(fit.free, v), posterior


def _check_classes(fit: Fit) -> None:
    if not isinstance(fit.likelihood, InnerClasses):
        membership_of(fit)


def variable_number(fit: Fit, name: str | None = None) -> int:
    """Which categorical latent variable is called so; None is the only one.

    Raises
    ------
    ModelError
        If there is none of that name, or none is named of several.
    """
    _check_classes(fit)
    known = [variable.name for variable in fit.model.classes]
    if name is None and len(known) > 1:
        raise ModelError("there are several categorical latent variables", remedy=f"Name one of {', '.join(known)}.")
    if name is not None and name not in known:
        raise ModelError(f"there is no categorical latent variable '{name}'", remedy=f"There is {', '.join(known)}.")
    return 0 if name is None else known.index(name)


def class_probabilities(fit: Fit, name: str | None = None) -> pd.DataFrame:
    """Posterior probabilities of classes, a row a unit; columns ``c=1``, ``c=2``, …"""
    import pandas as pd

    from semgllamm.results.latent import unit_ids

    _check_classes(fit)
    known = [variable.name for variable in fit.model.classes]
    if name is not None:
        variable_number(fit, name)
    chosen = [v for v, variable in enumerate(known) if name in (None, variable)]
    if len({fit.model.classes[v].level for v in chosen}) > 1:
        raise ModelError("the categorical latent variables vary at different levels", remedy="Name one of them.")
    out = {}
    for v in chosen:
        variable = fit.model.classes[v]
        _, posterior = prior_and_posterior(fit, v)
        out |= {f"{variable.name}={k}": p for k, p in zip(variable.classes, posterior.T)}
    return pd.DataFrame(out, index=unit_ids(fit, fit.model.classes[chosen[0]].level))


def plausible_classes(fit: Fit, n: int = 1, seed: int | None = None) -> pd.DataFrame:
    """See `Fit.plausible_classes`."""
    import pandas as pd

    from semgllamm.estimation.posterior_draws import posterior_patterns
    from semgllamm.results.latent import unit_ids

    _check_classes(fit)
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ModelError(f"the number of plausible values is a whole number from 1, not {n!r}")
    if isinstance(fit.likelihood, InnerClasses):
        raise refused(fit.likelihood, "draws of classes are")
    likelihood, rng = fit.likelihood.apart, np.random.default_rng(seed)
    draw = posterior_patterns(likelihood, fit.free, fit.points)
    lowest = likelihood.class_levels[0]
    first = fit.design.first_row[lowest]
    patterns = np.concatenate([draw(rng)[first] for _ in range(n)])
    index = unit_ids(fit, lowest)
    if n > 1:
        index = pd.MultiIndex.from_product([range(1, n + 1), index], names=["draw", index.name])
    return class_columns(fit.model, patterns, index)


def class_columns(model: Model, patterns: np.ndarray, index: pd.Index) -> pd.DataFrame:
    """The class of each categorical latent variable, a column each, in rows of these patterns."""
    import pandas as pd

    number = np.array(model.patterns)[patterns]
    out = {
        variable.name: pd.Categorical.from_codes(number[:, v], list(variable.classes))
        for v, variable in enumerate(model.classes)
    }
    return pd.DataFrame(out, index=index)


def class_sizes(fit: Fit) -> list[tuple[str, str, float, float, int]]:
    """(variable, class, its share by the model, expected number of members, units of which it is the likeliest)."""
    rows = []
    _check_classes(fit)
    for v, variable in enumerate(fit.model.classes):
        prior, posterior = prior_and_posterior(fit, v)
        modal = np.bincount(posterior.argmax(axis=1), minlength=len(variable.classes))
        for k, name in enumerate(variable.classes):
            rows.append((variable.name, name, float(prior[:, k].mean()), float(posterior[:, k].sum()), int(modal[k])))
    return rows


def entropy(fit: Fit, v: int = 0) -> float:
    """Entropy R² of the v-th categorical variable."""
    _, p = prior_and_posterior(fit, v)
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)
    return float(1 + terms.sum() / (len(p) * np.log(p.shape[1])))


def classes_that_are_none(fit: Fit) -> Iterator[str]:
    """Warnings of classes with less than one member, and of two whose members answer alike."""
    _check_classes(fit)
    if not np.isfinite(fit.likelihood.value(fit.free, fit.points)):
        return
    for v, variable in enumerate(fit.model.classes):
        if variable.masses_of or variable.summed:
            continue
        prior, posterior = prior_and_posterior(fit, v)
        members = posterior.sum(axis=0)
        empty = [k for k, count in enumerate(members) if count < 1]
        for k in empty:
            name = f"class {variable.classes[k]} of '{variable.name}'"
            yield f"{name} has less than one member: there may be fewer classes"
        for k, m in combinations([k for k in range(len(members)) if k not in empty], 2):
            # p_k/π_k = p_m/π_m for all units where the densities are the same
            one, other = posterior[:, k] * prior[:, m], posterior[:, m] * prior[:, k]
            open_to_both = np.flatnonzero(one + other > 0)
            if (np.abs(one - other)[open_to_both] <= ALIKE * (one + other)[open_to_both]).all():
                names = f"{variable.classes[k]} and {variable.classes[m]}"
                yield f"members of classes {names} of '{variable.name}' answer alike: there may be fewer classes"
