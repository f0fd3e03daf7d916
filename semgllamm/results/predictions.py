"""Predictions of a fit: linear predictors, means and probabilities, given latent variables or averaged over them.

    given the data     E[g(ν) | y, θ̂], a posterior mean (Skrondal & Rabe-Hesketh 2009, section 5), not g of one
    population         ∫ g(f + d'u) φ(u) du over the latent variables of some or all levels (section 6)
    given values       g(ν) with latent variables at zero or at chosen values (section 4)

Of models with classes these are of each class, and averaged over the probabilities of classes: posterior ones given the
data, those of the logits in the population and at given values, and none where classes are chosen.

Standard errors are of the estimates, by the delta method; those given the data have the posterior variance as well,
the sum of both being the first-order approximation of Kass & Steffey (1989).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.errors import DataError, ModelError
from semgllamm.estimation.class_averages import averaged_over_classes, pattern_weights
from semgllamm.estimation.conditional import Answer, Engine, Over, answers_of, by_pattern

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.data.newdata import Targets
    from semgllamm.results.fit import Fit

__all__ = ["Question", "asked", "category_labels", "delta_variance", "predict", "values_of"]

KINDS = ("linear", "mean", "marginal", "probabilities")
LATENT = ("eb", "eb-plugin", "zero")
INTERVALS = ("delta", "simulation")
FEWEST, MOST_TRIES = 50, 4  # draws, and how often more are tried
STEP = 1e-3  # of differences, in standard errors


@dataclass(frozen=True)
class Question:
    """What is to be predicted: a function of ν, and how the latent variables are taken; `classes` by numbers."""

    kind: str
    over: Over
    values: Mapping[str, np.ndarray] | None = None
    responses: tuple[str, ...] | None = None
    classes: Mapping[int, int] = field(default_factory=dict)


def predict(
    fit: Fit, newdata: Any = None, kind: str = "linear", latent: str | Mapping[str, Any] = "eb",
    over: str | Sequence[str] | None = None, new: str = "prior", se: bool = False, level: float = 0.95,
    responses: str | Sequence[str] | None = None, interval: str = "delta", draws: int = 1000, seed: int | None = None,
    classes: Any = None,
) -> pd.DataFrame:  # fmt: skip
    """Predictions, a row for each row of the data; the arguments are those of `Fit.predict`."""
    import pandas as pd
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise ModelError(f"a confidence level lies between 0 and 1, not {level}")
    if interval not in INTERVALS:
        raise ModelError(f"interval={interval!r} is not available", remedy="Use 'delta' or 'simulation'.")
    if interval == "delta" and seed is not None:
        raise ModelError("seed is of the draws of interval='simulation'", remedy="Leave it out.")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < FEWEST:
        raise ModelError(f"draws is {draws!r}", remedy=f"Use {FEWEST} or more.")
    _refuse_composites(fit)
    targets, bound = _targets(fit, newdata, new)
    question = replace(asked(fit, kind, latent, over, responses, len(targets.index)), classes=_classes(fit, classes))
    engine = fit._engine
    simulated = interval == "simulation"
    if se or simulated:
        _check_spread(fit, question)
    if newdata is None and not (se or simulated):
        question = _at_means(fit, question, targets, bound)
    names, values, spread = values_of(fit, engine, bound, targets, question, fit.free)
    out = {name: column for name, column in zip(names, values.T)}
    if simulated:
        found = _drawn(
            fit, question.kind, lambda free: values_of(fit, engine, bound, targets, question, free), draws, seed
        )  # fmt: skip
        out = {}
        for k, name in enumerate(names):
            error = found[:, :, k].std(axis=0, ddof=1)
            lower, upper = np.quantile(found[:, :, k], [0.5 - level / 2, 0.5 + level / 2], axis=0)
            out |= {name: values[:, k], f"{name}.se": error, f"{name}.lower": lower, f"{name}.upper": upper}
    elif se:
        variance = spread + delta_variance(
            fit, lambda free: values_of(fit, engine, bound, targets, question, free)[1]
        )
        half = ndtri(0.5 + level / 2)
        out = {}
        for name, value, error in zip(names, values.T, np.sqrt(variance).T):
            lower, upper = _limits(value, half * error, _range(fit, question.kind, name))
            out |= {name: value, f"{name}.se": error, f"{name}.lower": lower, f"{name}.upper": upper}
    return pd.DataFrame(out, index=targets.index)


def _at_means(fit: Fit, question: Question, targets: Targets, bound) -> Question:
    """Linear predictors given the data are those at posterior means, which the last pass of quadrature has."""
    from semgllamm.results.latent import means_by_row

    model, over = fit.model, question.over
    plain = question.kind == "linear" and len(over.posterior) == len(model.levels) and not over.plug_in
    bent = bool(bound.bending.any()) or bound.program.bends
    if not plain or bent or len(model.holes) > 1 or not model.eta or model.classes:
        return question
    if any((targets.unit[level] < 0).any() for level in set(model.eta_level)):
        return question
    return Question("linear", Over(), means_by_row(fit, targets.unit), question.responses)


def _drawn(fit: Fit, kind: str, predicted: Callable, draws: int, seed: int | None) -> np.ndarray:
    """Predictions at drawn parameters, with draws from the posterior, (draws, rows, columns).

    Raises
    ------
    ModelError
        If the fit has no standard errors, or few of its draws are parameters of a distribution.
    """
    V = fit._vcov_free
    if V is None:
        raise ModelError("this fit has no standard errors", remedy="Fit with se='standard', or use se=False.")
    known = np.flatnonzero(~np.isnan(np.diag(V)))
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(V[np.ix_(known, known)])
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    out, tried = [], 0
    while len(out) < draws:
        tried += 1
        if tried > MOST_TRIES * draws:
            raise ModelError(
                f"only {len(out)} of {tried - 1} drawn parameters are those of a distribution: the normal "
                "approximation is far off", remedy="Use interval='delta'.",
            )  # fmt: skip
        free = np.array(fit.free, dtype=float)
        free[known] += root @ rng.standard_normal(len(known))
        try:
            names, value, spread = predicted(free)
        except (ModelError, np.linalg.LinAlgError):
            continue
        if spread.any():
            z = rng.standard_normal(value.shape)
            for k, name in enumerate(names):
                by = np.sqrt(spread[:, k]) * z[:, k]
                value[:, k] = _moved(value[:, k], by, _range(fit, kind, name))
        out.append(value)
    return np.stack(out)


def _range(fit: Fit, kind: str, name: str) -> str:
    """Where predictions of a column lie: "unit" and "positive" numbers, or "all"."""
    if kind == "linear":
        return "all"
    response = next((r for r in fit.model.responses if r.name == name), None)
    if kind == "probabilities" or response is None:
        return "unit"
    family = response.family
    if response.categories or family.has_residual:
        return "all"
    return "unit" if family.probabilities is not None or family.name == "beta" else "positive"


def _limits(value: np.ndarray, half: np.ndarray, inside: str) -> tuple[np.ndarray, np.ndarray]:
    """Confidence limits, symmetric on a scale without ends: of logits and of logarithms."""
    if inside == "all":
        return value - half, value + half
    if inside == "positive":
        factor = np.exp(half / value)
        return value / factor, value * factor
    with np.errstate(over="ignore"):
        factor = np.exp(half / (value * (1 - value)))
    odds = value / (1 - value)
    return odds / (odds + factor), 1 / (1 + 1 / (odds * factor))


def _moved(value: np.ndarray, by: np.ndarray, inside: str) -> np.ndarray:
    """Predictions moved to first order on a scale without ends."""
    if inside == "all":
        return value + by
    if inside == "positive":
        return value * np.exp(by / value)
    with np.errstate(over="ignore"):
        odds = value / (1 - value) * np.exp(by / (value * (1 - value)))
    return 1 - 1 / (1 + odds)


def _targets(fit: Fit, newdata: Any, new: str) -> tuple[Targets, Any]:
    """What is predicted of, and its cells in the engine."""
    from semgllamm.data.frames import to_frame
    from semgllamm.data.newdata import new_rows

    fit.binding.need_rows("predictions")
    if new not in ("prior", "refuse"):
        raise ModelError(f"new units cannot be {new!r}", remedy="Use new='prior' or new='refuse'.")
    if newdata is None:
        return fit._own_rows
    targets = new_rows(fit.model, fit.diagram, fit.binding, fit.design, to_frame(newdata), new)
    return targets, fit._engine.bound_to(targets.design)


def _refuse_composites(fit: Fit) -> None:
    for response in fit.model.responses:
        if response.family.is_composite:
            message = f"'{response.name}' has @composite: of models with such responses nothing is predicted yet"
            raise ModelError(message)


def asked(fit: Fit, kind: str, latent, over, responses, n_rows: int) -> Question:
    """Check the arguments of a prediction.

    Raises
    ------
    ModelError
        For a kind, a level, a latent variable or a response that there is not.
    DataError
        For values of a latent variable that are no numbers, or not one for each row.
    """
    _refuse_composites(fit)
    if kind not in KINDS:
        raise ModelError(f"predictions cannot be of kind {kind!r}", remedy=f"Kinds: {', '.join(map(repr, KINDS))}.")
    wanted = None if responses is None else (responses,) if isinstance(responses, str) else tuple(responses)
    known = {name for r in fit.model.responses for name in (r.name, r.answer) if name}
    for name in wanted or ():
        if name not in known:
            raise ModelError(f"there is no response '{name}'", remedy=f"Responses: {', '.join(sorted(known))}.")
    levels = range(len(fit.model.levels))
    if kind == "marginal" and over is None:
        over = fit.model.levels
    averaged = frozenset(_levels(fit, over))
    rest = frozenset(levels) - averaged
    if isinstance(latent, Mapping):
        if averaged:
            raise ModelError("latent variables have values, or are averaged over, not both")
        return Question(kind, Over(), _chosen(fit, latent, n_rows), wanted)
    if latent not in LATENT:
        raise ModelError(f"latent={latent!r} is not available",
                         remedy=f"Use one of {', '.join(map(repr, LATENT))}, or values by name.")
    given = rest if latent != "zero" else frozenset()
    return Question("mean" if kind == "marginal" else kind, Over(given, averaged, latent == "eb-plugin"), None, wanted)


def _levels(fit: Fit, over) -> list[int]:
    levels = fit.model.levels
    out = []
    for name in (over,) if isinstance(over, str) else over or ():
        if name not in levels:
            raise ModelError(f"there is no level '{name}' to average over", remedy=f"Levels: {', '.join(levels)}.")
        out.append(levels.index(name))
    return out


def _chosen(fit: Fit, latent: Mapping[str, Any], n: int) -> dict[str, np.ndarray]:
    out = {}
    for name, value in latent.items():
        if name not in fit.model.eta:
            raise ModelError(f"there is no latent variable '{name}'",
                             remedy=f"Latent variables: {', '.join(fit.model.eta) or 'none'}.")
        try:
            array = np.asarray(value, dtype=float)
        except (TypeError, ValueError) as failure:
            raise DataError(f"the values of '{name}' are no numbers: {failure}") from failure
        if array.ndim > 1 or (array.ndim == 1 and len(array) != n):
            raise DataError(f"'{name}' has {array.size} values for {n} rows", remedy="Give one, or one for each row.")
        if not np.isfinite(array).all():
            raise DataError(f"the values of '{name}' are not all finite")
        out[name] = np.broadcast_to(array, n)
    return out


def _classes(fit: Fit, classes: Any) -> dict[int, int]:
    """Numbers of the classes that are chosen, by that of their variable.

    Raises
    ------
    ModelError
        For a categorical latent variable or a class that there is not.
    """
    from semgllamm.results.classes import variable_number

    if classes is None:
        return {}
    out = {}
    for name, klass in classes.items() if isinstance(classes, Mapping) else ((None, classes),):
        v = variable_number(fit, name)
        variable = fit.model.classes[v]
        known = list(variable.classes)
        if isinstance(klass, bool) or str(klass) not in (*known, *(str(k + 1) for k in range(len(known)))):
            raise ModelError(f"{klass!r} is no class of '{variable.name}'", remedy=f"Its classes: {', '.join(known)}.")
        out[v] = known.index(str(klass)) if str(klass) in known else int(klass) - 1
    return out


def _given_classes(fit: Fit, question: Question) -> frozenset[int]:
    """Levels with classes that have their posterior probabilities."""
    return frozenset(v.level for v in fit.model.classes) & question.over.posterior


def _check_spread(fit: Fit, question: Question) -> None:
    """Averages over the classes of some levels have no posterior variance that is known where others are given."""
    open_levels = {v.level for k, v in enumerate(fit.model.classes) if k not in question.classes}
    if open_levels & question.over.prior and question.over.posterior:
        raise ModelError("predictions that are averaged over the classes of one level, and given the data of another, "
                         "have no standard errors yet", remedy="Use se=False, or average over all levels.")  # fmt: skip


def values_of(fit: Fit, engine: Engine, bound, targets: Targets, question: Question, free: np.ndarray):
    """Names of the columns, predictions (rows, columns), and their posterior variances, at some parameters."""
    inner = engine.inner(np.asarray(free, dtype=float))
    state = bound.before_whitening(inner)
    posterior = engine.posterior(inner) if question.over.posterior and bound.n_u else None
    n = len(targets.index)
    unit, values, weights = engine.units(targets.unit), question.values, None
    given = _given_classes(fit, question)
    if engine.mixture is not None:
        # covariates may be others than those of the targets
        design = replace(targets.design, columns={k: x[:n] for k, x in bound.design.columns.items()})
        weights = pattern_weights(engine, free, design, targets.unit, given, question.classes)
        values = values and {name: np.tile(x, engine.patterns) for name, x in values.items()}
    spread_of_classes = bool(given) and not question.over.plug_in
    columns: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for answers in by_pattern(answers_of(bound, state, values), engine.patterns):
        answer = answers[0]
        response = answer.responses[0]
        if question.responses is not None and not {response.name, response.answer} & set(question.responses):
            continue
        names, h = _function(fit, question.kind, answer)
        mean, variance = averaged_over_classes(
            engine, answers, unit, posterior, question.over, h, weights, spread_of_classes
        )
        for at, name, e, v in _placed(answer, names, mean, variance):
            value, spread = columns.setdefault(name, (np.full(n, np.nan), np.zeros(n)))
            value[at], spread[at] = e, v
    if not columns:
        raise ModelError("none of the rows has such a response")
    value, spread = (np.stack([found[k] for found in columns.values()], axis=1) for k in (0, 1))
    value[~targets.usable] = np.nan
    spread[~targets.usable] = np.nan
    return list(columns), value, spread


def _function(fit: Fit, kind: str, answer: Answer) -> tuple[list[str], Callable]:
    """Names of what is predicted, and h."""
    response = answer.responses[0]
    family = response.family
    names = [r.name for r in answer.responses]
    if kind == "linear":
        return names, lambda nu, own, at: np.where(np.isfinite(nu), nu, 0.0)
    if kind == "mean":
        return names, lambda nu, own, at: family.mean(nu, own)
    if family.probabilities is None:
        raise ModelError(
            f"'{response.name}' has no categories to have probabilities", remedy="Use kind='mean', or name responses."
        )
    if not family.is_joint:
        names = [f"{response.name}[{label}]" for label in category_labels(fit, response)]
    return names, lambda nu, own, at: family.probabilities(nu, own)


def category_labels(fit: Fit, response) -> tuple[str, ...]:
    from semgllamm.data import columns

    if response.categories:
        return fit.binding.labels[response.name]
    labels = columns.response(fit.binding.frame, response.name, response.family.name, declared=True)[2]
    return ("0", "1") if labels is None else labels


def _placed(answer: Answer, names: list[str], mean: np.ndarray, variance: np.ndarray) -> Iterator[tuple]:
    """(rows, column, values, variances); alternatives in long form are rows."""
    if len(names) == 1 and answer.f.shape[1] > 1:
        there = answer.rows >= 0
        yield answer.rows[there], names[0], mean[there], variance[there]
        return
    for k, name in enumerate(names):
        yield answer.rows[:, 0], name, mean[:, k], variance[:, k]


def delta_variance(fit: Fit, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """diag(J V J') with J the central differences of a function of the free parameters, in the function's shape.

    Raises
    ------
    ModelError
        If the fit has no standard errors.
    """
    V = fit._vcov_free
    if V is None:
        raise ModelError("this fit has no standard errors", remedy="Fit with se='standard', or use se=False.")
    known = np.flatnonzero(~np.isnan(np.diag(V)))
    slopes = []
    for k in known:
        # differences of many digits, and a curvature that does not matter
        h = STEP * np.sqrt(V[k, k]) or STEP
        sides = []
        for sign in (1.0, -1.0):
            free = np.array(fit.free, dtype=float)
            free[k] += sign * h
            sides.append(function(free))
        slopes.append((sides[0] - sides[1]) / (2 * h))
    if not slopes:
        return np.zeros_like(function(fit.free))
    J = np.stack(slopes, axis=-1)
    return np.maximum(np.einsum("...a,ab,...b->...", J, V[np.ix_(known, known)], J), 0.0)
