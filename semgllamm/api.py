"""What the user calls: the walk from a model text to a fit, in a few lines each."""

from __future__ import annotations

import sys
import warnings as python_warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import wraps
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.errors import DataError, EstimationError, ModelError, SemgllammWarning

if TYPE_CHECKING:
    from semgllamm.results.walk import Call, Walk

__all__ = [
    "cfa", "fit", "growth", "identification", "lavaan", "load", "lowered", "parameter_table", "parse", "sem",
    "simulate",
]  # fmt: skip

COMPLETION = (
    "std_lv", "auto_fix_first", "auto_fix_single", "auto_cov_lv_x", "auto_cov_y", "auto_var", "auto_th", "auto_delta",
    "orthogonal", "orthogonal_x", "orthogonal_y",
    "int_ov_free", "int_lv_free", "fixed_x", "meanstructure", "group_equal", "group_partial", "effect_coding",
    "parameterization",
)  # fmt: skip
ARGUMENTS = (
    "family", "cluster", "group", "group_label", "ordered", "constraints", "missing", "estimator", "information",
    "likelihood", "se", "test", "sampling_weights", "weights_scaling", "strata", "fpc", "replicate_weights",
    "sample_cov",
    "sample_mean", "sample_nobs", "quadrature", "start", "n_starts", "settings", "progress",
)  # fmt: skip


def parse(text: str) -> PathDiagram:
    """The path diagram of a model text, before completion and without data.

    Raises
    ------
    ModelSyntaxError
        With the line, the column and what to write instead.
    """
    from semgllamm.syntax.build import read

    return read(text)


def fit(
    model: str | PathDiagram | Path,
    data: Any = None,
    *,
    family: str | Mapping[str, str] | None = None,
    cluster: str | Sequence[str] | None = None,
    group: str | None = None,
    group_label: Sequence[str] | None = None,
    ordered: Sequence[str] = (),
    constraints: str | None = None,
    missing: str = "ml",
    estimator: str = "ML",
    information: str | None = None,
    se: str | None = None,
    test: str | None = None,
    sampling_weights: str | None = None,
    weights_scaling: str | None = None,
    strata: str | None = None,
    fpc: str | None = None,
    replicate_weights: Any = None,
    sample_cov: Any = None,
    sample_mean: Any = None,
    sample_nobs: Any = None,
    quadrature: Any = "auto",
    start: Mapping[str, float] | None = None,
    n_starts: int | None = None,
    settings: Any = None,
    progress: str | bool = "auto",
    **switches: Any,
):
    """Fit a model by maximum likelihood.

    Parameters
    ----------
    model : str, PathDiagram or path of a file
        The model text.
    data : DataFrame, mapping of arrays, or anything with the dataframe interchange protocol
    family : str or mapping of response to str, optional
        Families of responses that have none in the text, as in ``"bernoulli(logit)"``.
    cluster : str or sequence of str, optional
        Cluster columns, lowest first.
    group : str, optional
        Column of groups.
    group_label : sequence of str, optional
        The groups that are used, in this order; by default all, as they appear in the data.
    ordered : sequence of str
        Responses that are ordinal (probit).
    constraints : str, optional
        More model text, for constraints and definitions.
    missing : {"ml", "listwise"}
        "ml" uses every observed response (missing at random).
    estimator : str
        "ML", "MLR", "MLM", "MLMV", "MLMVS" and "MLF" maximise the likelihood, and differ in standard errors and test;
        "GLS", "ULS", "WLS", "DWLS", "ULSM", "ULSMV", "ULSMVS", "WLSM", "WLSMV" and "WLSMVS" are least squares of
        moments. All but ML, MLR and MLF are for complete Gaussian data.
    information : {"observed", "expected", "first.order"}, optional
        Which information matrix gives the standard errors; by default the observed one.
    se : str, optional
        "standard", "robust", "robust.sem", "robust.huber.white", "robust.cluster", "first.order", "bootstrap" or
        "none"; by default that of the estimator. "robust" is the sandwich of the independent units.
    test : {"standard", "satorra.bentler", "yuan.bentler.mplus", "scaled.shifted", "mean.var.adjusted"}, optional
        The scaled test of a Gaussian model in closed form; by default that of the estimator.
    sampling_weights : str, optional
        Column of weights of rows, of models of one level; they are scaled to the number of rows. Weights of units of
        any level, as they are, are ``@weight(school, w)`` in the model text.
    weights_scaling : {"raw", "size", "effective"}, optional
        How the weights of ``@weight`` are scaled within units of the next higher level: not at all, which is the
        default, or so that they add up to the number of units or to the effective number (Rabe-Hesketh & Skrondal 2006,
        section 4.2). Those of the highest level, and frequencies, stay as they are.
    strata : str, optional
        Column of the strata in which the primary sampling units of a survey were drawn. These are the units of the
        highest level that `cluster` names, or else those that the model takes for independent. Standard errors are
        those of the sandwich, with scores about the means of the strata (Binder 1983).
    fpc : str, optional
        Column of the number of primary sampling units in the population of each stratum or, where none is above 1, of
        the share of them that was drawn: the finite-population correction.
    replicate_weights : Replicates, optional
        Columns of replicate weights, each of which takes the place of the sampling weights (of the highest level that
        has some), and how they were made: ``sg.Replicates(["r1", "r2"], "BRR")``. Standard errors are those of the
        estimates under them (Wolter 2007).
    sample_cov : DataFrame, or list or dict of one a group, optional
        In place of `data`, for Gaussian models of one level: covariances, divided by n − 1; see `covariance_matrix`.
    sample_mean : Series, array, or list or dict of them, optional
    sample_nobs : int, or list or dict of them
        The number of rows that the covariances are of.
    quadrature : "auto", "laplace", Adaptive, Grid or Ordinary
        "auto" takes a closed form where there is one, else a grid that all rows share where the model has one (up to
        three latent variables of wide items with few different answers), else adaptive quadrature.
    start : mapping of label or automatic name to value, optional
    n_starts : int, optional
        Random starts of a model with categorical latent variables, whose likelihood has several maxima; 20 by default.
    settings : Settings, optional
    progress : "auto", True or False
        A line of progress on standard error; "auto" shows it on a terminal.
    **switches
        Completion switches: std_lv, auto_fix_first, auto_cov_lv_x, auto_cov_y, orthogonal, …

    Returns
    -------
    Fit

    Raises
    ------
    ModelSyntaxError, ModelError, DataError, EstimationError
        Each names the place and what to try.
    """
    return _fitted("fit", model, data, family=family, cluster=cluster, group=group, group_label=group_label,
                   ordered=ordered, constraints=constraints, missing=missing, estimator=estimator,
                   information=information, se=se, test=test, sampling_weights=sampling_weights,
                   weights_scaling=weights_scaling, strata=strata, fpc=fpc, replicate_weights=replicate_weights,
                   sample_cov=sample_cov, sample_mean=sample_mean, sample_nobs=sample_nobs, quadrature=quadrature,
                   start=start, n_starts=n_starts, settings=settings, progress=progress, **switches)  # fmt: skip


def sem(
    model: str | PathDiagram | Path,
    data: Any = None,
    *,
    family: str | Mapping[str, str] | None = None,
    cluster: str | Sequence[str] | None = None,
    group: str | None = None,
    group_label: Sequence[str] | None = None,
    ordered: Sequence[str] = (),
    constraints: str | None = None,
    missing: str = "listwise",
    estimator: str = "ML",
    information: str | None = None,
    likelihood: str | None = None,
    se: str | None = None,
    test: str | None = None,
    sampling_weights: str | None = None,
    weights_scaling: str | None = None,
    strata: str | None = None,
    fpc: str | None = None,
    replicate_weights: Any = None,
    sample_cov: Any = None,
    sample_mean: Any = None,
    sample_nobs: Any = None,
    quadrature: Any = "auto",
    start: Mapping[str, float] | None = None,
    n_starts: int | None = None,
    settings: Any = None,
    progress: str | bool = "auto",
    **switches: Any,
):
    """Fit a structural equation model with the defaults of R's lavaan (Rosseel 2012).

    `cfa`, `growth` and `lavaan` are the same with the completion of their namesakes.

    Parameters
    ----------
    model, data, family, cluster, group, group_label, ordered, constraints, quadrature, start, n_starts
        As for `fit`, and so are settings, progress, sample_cov, sample_mean and sample_nobs.
    missing : {"listwise", "ml"}
        Whether rows with a missing value are left out, or used as far as they go ("fiml" and "direct" are the same).
    estimator, se, test, sampling_weights, weights_scaling, strata, fpc, replicate_weights
        As for `fit`; robust standard errors are "robust.sem" for complete data, and "robust.cluster" with a `cluster`
        whose level the model does not name. With least squares all covariates are random.
    information : {"expected", "observed", "first.order"}, optional
        By default expected for complete data of Gaussian responses, else observed.
    likelihood : {"normal", "wishart"}, optional
        Whether sample covariances are divided by n, as they are by default, or n − 1; least squares always have n − 1.
    **switches
        Completion switches: std_lv, orthogonal, meanstructure, fixed_x, group_equal, group_partial, …

    Returns
    -------
    Fit

    Raises
    ------
    SemgllammError
        As by `fit`.
    """
    return _fitted("sem", model, data, family=family, cluster=cluster, group=group, group_label=group_label,
                   ordered=ordered, constraints=constraints, missing=missing, estimator=estimator,
                   information=information, likelihood=likelihood, se=se, test=test,
                   sampling_weights=sampling_weights, weights_scaling=weights_scaling, strata=strata, fpc=fpc,
                   replicate_weights=replicate_weights, sample_cov=sample_cov, sample_mean=sample_mean,
                   sample_nobs=sample_nobs, quadrature=quadrature, start=start, n_starts=n_starts, settings=settings,
                   progress=progress, **switches)  # fmt: skip


def _named_like(name: str):
    """`sem` under another of lavaan's names, and with its completion."""

    @wraps(sem)
    def function(model, data=None, **arguments):
        return _fitted(name, model, data, **{"missing": "listwise", **arguments})

    function.__name__ = function.__qualname__ = name
    return function


cfa = _named_like("cfa")
growth = _named_like("growth")
lavaan = _named_like("lavaan")


def _fitted(like, model, data, *, constraints=None, **arguments):
    """The walk from a text to a fit; to several, where the number of mass points is to be found."""
    diagram = _diagram(model, constraints)
    if diagram.latents:
        from semgllamm.results.free_distribution import mass_by_mass, without_number

        if without_number(diagram) is not None:
            return mass_by_mass(diagram, lambda one, begin: _fitted_once(like, one, data, begin=begin, **arguments))
    return _fitted_once(like, diagram, data, **arguments)


def _fitted_once(
    like, model, data, *, family=None, cluster=None, group=None, group_label=None, ordered=(), missing=None,
    estimator=None, information=None, likelihood=None, se=None, test=None, sampling_weights=None, weights_scaling=None,
    strata=None, fpc=None, replicate_weights=None, sample_cov=None, sample_mean=None, sample_nobs=None,
    quadrature="auto", start=None, n_starts=None, settings=None, progress="auto", begin=None, **switches,
):  # fmt: skip
    """The walk from a diagram to a fit; `begin` are parameters by name from which a mixture starts as well."""
    from semgllamm.estimation.maximum import maximum_likelihood

    walk, settings = _begun(
        like, model, data, family=family, cluster=cluster, group=group, group_label=group_label, ordered=ordered,
        missing=missing, estimator=estimator, information=information, likelihood=likelihood, se=se, test=test,
        sampling_weights=sampling_weights, weights_scaling=weights_scaling, strata=strata, fpc=fpc,
        replicate_weights=replicate_weights, sample_cov=sample_cov, sample_mean=sample_mean, sample_nobs=sample_nobs,
        quadrature=quadrature, start=start, n_starts=n_starts, settings=settings, **switches,
    )  # fmt: skip
    found = maximum_likelihood(
        walk.likelihood, walk.diagram, walk.rule, settings, walk.request, _progress(progress), walk.constraints, begin
    )  # fmt: skip
    if _left_the_grid(walk.likelihood, quadrature, found):
        # a distribution too narrow for any grid, of variance zero perhaps, is no trouble to points of each unit's own
        walk = walk.without_grid(_likelihood)
        found = maximum_likelihood(
            walk.likelihood, walk.diagram, walk.rule, settings, walk.request, _progress(progress), walk.constraints
        )  # fmt: skip
    result = _as_fit(walk, {**found, "warnings": (*walk.messages, *found["warnings"])})
    if walk.model.classes:
        from semgllamm.results.classes import classes_that_are_none

        result.warnings += tuple(classes_that_are_none(result))
    for message in result.warnings:
        python_warnings.warn(message, SemgllammWarning, stacklevel=4)
    return result


def _begun(
    like, model, data, *, family=None, cluster=None, group=None, group_label=None, ordered=(), missing=None,
    estimator=None, information=None, likelihood=None, se=None, test=None, sampling_weights=None, weights_scaling=None,
    strata=None, fpc=None, replicate_weights=None, sample_cov=None, sample_mean=None, sample_nobs=None,
    quadrature="auto", start=None, n_starts=None, settings=None, **switches,
):  # fmt: skip
    """(walk, settings) of a call, as far as the likelihood."""
    from semgllamm.estimation.settings import Request, Settings
    from semgllamm.results.walk import Call

    settings = Settings() if settings is None else settings
    if not isinstance(settings, Settings):
        raise EstimationError(
            f"settings cannot be {settings!r}", remedy="Write settings=Settings(iterations=500), for example."
        )
    request = Request.of(
        like, estimator=estimator, information=information, likelihood=likelihood, missing=missing, se=se, test=test,
        weights_scaling=weights_scaling,
    )  # fmt: skip
    moments = _moments(like, data, sample_cov, sample_mean, sample_nobs, group_label, cluster, request)
    call = Call(like, model, moments, {
        "family": family, "cluster": cluster, "group": group, "ordered": ordered,
        "group_label": None if moments is not None else group_label, "sampling_weights": sampling_weights,
        "strata": strata, "fpc": fpc, "replicate_weights": replicate_weights, "quadrature": quadrature,
        "start": start, "n_starts": n_starts, "settings": settings, **switches,
    }, parse)  # fmt: skip
    return _walked(call, request, data), settings


def identification(model: str | PathDiagram | Path, data: Any, like: str = "fit", **arguments: Any):
    """Which parameters a model and its data cannot tell apart, before anything is fitted.

    The scores of the independent units are computed at a random point near start values: a combination of parameters
    about which they say nothing there is not identified (locally). After a fit its information says the same at the
    estimates, and `Fit.summary` names what is wrong.

    Parameters
    ----------
    model, data
        As for `fit`.
    like : {"fit", "sem", "cfa", "growth", "lavaan"}
        The fitting function whose defaults hold.
    **arguments
        Of that function.

    Returns
    -------
    DataFrame
        `direction`, counted from 1, `parameter`, its `loading`, the largest of a direction being 1, and
        `singular_value`, of scores with columns of length one; no rows where all is identified.

    Raises
    ------
    SemgllammError
        As by `fit`; a ModelError where it cannot be told: fewer units than parameters, or too many dimensions.
    """
    from semgllamm.estimation.maximum import identification_near, start_of
    from semgllamm.results.null_directions import null_directions

    if like not in ("fit", "sem", "cfa", "growth", "lavaan"):
        raise ModelError(f"there is no function like='{like}'", remedy="Use 'fit', 'sem', 'cfa', 'growth' or 'lavaan'.")
    if data is None:
        raise DataError("identification() needs rows of data")
    if like != "fit":
        arguments.setdefault("missing", "listwise")
    walk, _ = _begun(like, _diagram(model, arguments.pop("constraints", None)), data, **arguments)
    if walk.constraints is not None:
        raise ModelError("identification under inequalities and nonlinear constraints is told by a fit only")
    found = identification_near(walk.likelihood, start_of(walk.likelihood, walk.diagram))
    if not found.checked:
        raise ModelError("identification cannot be told beforehand: there are fewer independent units than parameters, "
                         "or too many dimensions", remedy="Fit the model; its information says it.")  # fmt: skip
    return null_directions(found)


def load(path: str | Path):
    """A fit that `Fit.save` has written, without maximising again.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Fit
        It prints, predicts, simulates and tests as the original, with the columns of the data that the model names.

    Raises
    ------
    DataError
        If the file is no saved fit, is truncated, or was saved in a newer format.
    """
    from semgllamm.results.saving import restored

    return _as_fit(*restored(path, parse, _walked, lambda walk: walk.without_grid(_likelihood)))


def _as_fit(walk: Walk, found: Mapping[str, Any]):
    """The fit of a walk whose estimates have been found."""
    from semgllamm.results.fit import Fit

    used_as_they_are = "used as they are (maximum likelihood, missing at random)"

    def again(data):
        other = _walked(walk.call, walk.request, data)
        if walk.call.left_grid:
            other = other.without_grid(_likelihood)
        return _as_fit(other, found)

    return Fit(
        diagram=walk.diagram, model=walk.model, binding=walk.binding, design=walk.design, likelihood=walk.likelihood,
        tree=walk.tree, request=walk.request, call=walk.call, again=again,
        missing=used_as_they_are if walk.request.missing == "ml" else "listwise deletion", **found,
    )  # fmt: skip


def _walked(call: Call, request, data) -> Walk:
    """The walk of a call as far as the likelihood; `data` is the table of its rows, if it has some."""
    from semgllamm.model.constraints import constraints_of_cells, equality_map
    from semgllamm.results.walk import Walk

    given, moments = dict(call.arguments), call.moments
    settings, quadrature, n_starts = given.pop("settings"), given.pop("quadrature"), given.pop("n_starts")
    sampling_weights, start = given.pop("sampling_weights"), given.pop("start")
    strata, fpc, replicates = (given.pop(name, None) for name in ("strata", "fpc", "replicate_weights"))
    named = {name: given.pop(name) for name in ("family", "cluster", "group", "group_label", "ordered")}
    if request.objective != "ML":
        if given.get("fixed_x"):
            raise ModelError(
                f"fixed_x=True is not for estimator='{request.estimator}', of which all covariates are random",
                remedy="Leave it out.",
            )
        given["fixed_x"] = False
    diagram, lowered_model, design, binding, messages = _bound(
        call.diagram, data if moments is None else moments, like=call.like, constraints=None, missing=request.missing,
        switches=given, start=start, joint=_is_auto(quadrature), weights_scaling=request.weights_scaling, **named,
    )  # fmt: skip
    if moments is not None:
        _check_moments(request, sampling_weights or any(r.kind in ("weight", "frequency") for r in diagram.columns))
    height = _height(lowered_model, diagram)
    clustered = len(lowered_model.levels) > height + 1
    weights, frequencies = (_columns_of_weights(diagram, kind) for kind in ("weight", "frequency"))
    if replicates is not None:
        from semgllamm.data.replicates import with_replicates

        _check_replicates(replicates, request, moments, strata is not None or fpc is not None)
        design = with_replicates(design, binding, diagram, replicates, sampling_weights, request.weights_scaling)
        request = replace(request, replicates=f"{replicates.kind} ({len(replicates.columns)})")
    if sampling_weights is not None:
        design = _with_sampling_weights(sampling_weights, binding, design, lowered_model, diagram)
        weights = sampling_weights
    request = replace(request, clustered=clustered, weights=weights, frequencies=frequencies, n_starts=n_starts,
                      strata=strata, fpc=fpc)  # fmt: skip
    if strata is not None or fpc is not None:
        from semgllamm.data.survey import with_strata

        _check_survey(request, moments)
        top = len(lowered_model.levels) - 1 if clustered else height
        design = with_strata(design, binding, top, strata, fpc, splits=clustered)
        binding = replace(binding, notes=(*binding.notes, *design.strata.notes))
    if _in_rows_only(diagram, design, request):
        from semgllamm.estimation.drawing import written_out

        design = written_out(design)
    _check_weights(diagram, design, request)
    _check_starts(n_starts, lowered_model)
    numbers = {name: number for name, number in _names(diagram, lowered_model).items() if number >= 0}
    affine = equality_map(diagram, numbers, lowered_model.n_parameters)
    bound, tree, rule = _likelihood(diagram, lowered_model, design, affine, quadrature, settings, request)
    working = bound.working
    restricting = constraints_of_cells(
        diagram, numbers, lowered_model.rows, (working.K, working.c), working.positive()
    )
    return Walk(call, request, diagram, lowered_model, design, binding, tuple(messages), affine, bound, tree, rule,
                restricting)  # fmt: skip


def _moments(like, data, covariance, mean, count, group_label, cluster, request):
    """The sample moments of a call, None if it has rows."""
    if covariance is None:
        for name, value in (("sample_mean", mean), ("sample_nobs", count)):
            if value is not None:
                raise DataError(f"{name} is given without sample_cov")
        return None
    if data is not None:
        raise DataError(f"{like}() has both data and sample_cov", remedy="Give one of them.")
    if cluster is not None:
        raise DataError("clusters need rows of data, not sample moments")
    if like != "fit" and request.missing == "ml":
        raise DataError("missing='ml' needs rows of data, not sample moments", remedy="Leave it out.")
    from semgllamm.data.moments import sample_moments

    return sample_moments(covariance, mean, count, None if group_label is None else _listed(group_label, "group_label"))


def _check_moments(request, sampling_weights) -> None:
    """Sample moments have no rows to be robust with."""
    by_rows = request.estimator not in ("ML", "GLS", "ULS") or request.se not in (None, "standard", "none")
    if by_rows or request.chosen_test != "standard" or request.information == "first.order" or sampling_weights:
        raise DataError(
            "robust standard errors and tests, WLS and sampling weights need rows of data, not sample moments",
            remedy="Use estimator='ML', 'GLS' or 'ULS'.",
        )


def _left_the_grid(likelihood, quadrature, found) -> bool:
    """Whether a fit on a shared grid that nobody asked for has failed, other than by being interrupted."""
    convergence = found["convergence"]
    stopped = convergence.converged or convergence.message.startswith("interrupted")
    return getattr(likelihood, "shared", False) and _is_auto(quadrature) and not stopped


def _is_auto(quadrature) -> bool:
    return isinstance(quadrature, str) and quadrature == "auto"


def _height(model, diagram) -> int:
    """The highest level at which anything varies."""
    terms = (model.levels.index(term.cluster) for term in diagram.random_terms)
    return max(*terms, *model.eta_level, *(r.level for r in model.responses), *(v.level for v in model.classes), 0, 0)


def _columns_of_weights(diagram, kind) -> str | None:
    """The columns of ``@weight`` or ``@frequency`` as the report names them."""
    roles = [role for role in diagram.columns if role.kind == kind]
    return ", ".join(f"{role.column} ({role.target})" for role in roles) or None


def _with_sampling_weights(name, binding, design, model, diagram):
    """The design with weights of its rows whose mean is 1."""
    from semgllamm.data.columns import sampling_weights

    if _height(model, diagram):
        raise ModelError("sampling_weights= is for models of one level",
                         remedy=f"Write @weight(row, {name}) in the model text, and @weight of the levels above.")
    if design.weights.sampling:
        raise ModelError("there are sampling weights in the model text and in sampling_weights=",
                         remedy="Leave one of them out.")
    weight = sampling_weights(binding.frame, name)[design.kept]
    average = weight @ design.repeats(0) / design.counted[0]
    weights = replace(design.weights, sampling={0: weight / average})
    return replace(design, weights=weights)


def _in_rows_only(diagram, design, request) -> bool:
    """Whether units that are alike are written out, because what is computed takes one by one."""
    if not design.weights.frequency:
        return False
    by_moments = request.objective != "ML" or request.likelihood != "normal" or "robust.sem" in (
        request.standard_errors(True), request.standard_errors(False)
    )  # fmt: skip
    by_moments |= request.chosen_test in ("satorra.bentler", "scaled.shifted", "mean.var.adjusted")
    return by_moments or any(role.kind == "unseen" for role in diagram.columns)


def _check_weights(diagram, design, request) -> None:
    """What weights do not go with."""
    if not design.weights:
        return
    if request.objective != "ML":
        raise ModelError(
            f"estimator='{request.estimator}' takes no sampling weights: least squares have no pseudo-likelihood",
            remedy="Use estimator='ML' or 'MLR'.",
        )
    if request.estimator in ("MLM", "MLMV", "MLMVS"):
        raise ModelError(
            f"estimator='{request.estimator}' takes no sampling weights: its Γ is that of rows drawn alike",
            remedy="Use estimator='MLR'.",
        )
    if request.likelihood != "normal":
        raise ModelError("likelihood='wishart' takes no sampling weights: n − 1 counts rows that were drawn alike",
                         remedy="Use likelihood='normal'.")
    if request.weights_scaling != "raw" and request.clustered:
        raise ModelError("weights_scaling is for models with a level above the rows", remedy="Leave it out.")
    unseen = next((role for role in diagram.columns if role.kind == "unseen"), None)
    if unseen is not None:
        raise ModelError("@unseen takes no sampling weights: those of units that were not seen are not known",
                         text=diagram.text, span=unseen.span)  # fmt: skip


def _check_survey(request, moments) -> None:
    """What strata and populations do not go with."""
    named = "strata=" if request.strata is not None else "fpc="
    if moments is not None:
        raise DataError(f"{named} needs rows of data, not sample moments")
    if request.objective != "ML" or request.likelihood != "normal" or request.estimator in ("MLM", "MLMV", "MLMVS"):
        raise ModelError(f"{named} is for the sandwich of a likelihood", remedy="Use estimator='ML' or 'MLR'.")
    if request.se not in (None, "robust", "robust.huber.white", "robust.cluster", "none") or (
        request.chosen_information == "first.order"
    ):
        chosen = f"se='{request.se}'" if request.se else f"information='{request.chosen_information}'"
        raise EstimationError(f"{named} is for standard errors of the sandwich, not for {chosen}",
                              remedy="Use se='robust'.")


def _check_replicates(replicates, request, moments, by_strata: bool) -> None:
    """What replicate weights do not go with."""
    from semgllamm.data.replicates import Replicates

    if not isinstance(replicates, Replicates):
        raise ModelError(f"replicate_weights cannot be {replicates!r}",
                         remedy='Write sg.Replicates(["r1", "r2", "r3", "r4"], "BRR"), say.')
    if moments is not None:
        raise DataError("replicate_weights= need rows of data, not sample moments")
    if by_strata:
        raise ModelError("strata and populations are in the replicate weights already",
                         remedy="Leave strata= and fpc= out, or replicate_weights=.")
    if request.se is not None:
        raise EstimationError(f"replicate_weights= give the standard errors, and so does se='{request.se}'",
                              remedy="Leave one of them out.")


def _row_weights(design):
    """The weights of the rows of one level, (n_rows,); None if there are none."""
    if not design.weights:
        return None
    return design.weight(0, len(design.codes), design.first_row[0])


def _check_nested(request) -> None:
    """What models of nested units, or with coefficients that vary, have not."""
    if request.objective != "ML":
        raise ModelError(
            f"estimator='{request.estimator}' needs complete rows of one level", remedy="Use estimator='ML' or 'MLR'."
        )
    if request.likelihood != "normal":
        raise ModelError("likelihood='wishart' is for complete rows of one level", remedy="Use likelihood='normal'.")


def _likelihood(diagram, model, design, constraint, quadrature, settings, request):
    """(likelihood, integration tree, quadrature rule): the closed form where there is one and no rule is asked for."""
    unseen = next((role for role in diagram.columns if role.kind == "unseen"), None)
    if unseen is not None:
        from semgllamm.estimation.unseen import check_unseen

        check_unseen(model, unseen, diagram.text)
    from semgllamm.estimation.gaussian import GaussianLikelihood, has_closed_form
    from semgllamm.estimation.nested import NestedLikelihood, has_nested_form

    if model.classes:
        return _mixture(model, design, constraint, quadrature, settings, request)
    if _is_auto(quadrature) and has_closed_form(model, design, diagram):
        if request.objective != "ML":
            from semgllamm.estimation.least_squares import LeastSquares

            if request.clustered:
                raise ModelError(
                    f"estimator='{request.estimator}' takes no clusters",
                    remedy="Use estimator='MLR'.",
                )
            return LeastSquares(request.objective, model, design, constraint), None, None
        return GaussianLikelihood(model, design, constraint, _row_weights(design), request.likelihood), None, None
    if _is_auto(quadrature) and has_nested_form(model, design, diagram):
        _check_nested(request)
        return NestedLikelihood(model, design, constraint), None, None
    _check_engine(request)
    with_means = {cell.row for group in model.groups for cell in group.beta if cell.column == "1"}
    if any(r.family.is_linear and r.name not in with_means for r in model.responses):
        raise ModelError("a model without means is fitted in closed form only", remedy="Use meanstructure=True.")
    if request.likelihood != "normal":
        raise ModelError("likelihood='wishart' is for Gaussian models of one level")
    from semgllamm.estimation.likelihood import Likelihood
    from semgllamm.estimation.predictor import Predictor, plan_tree
    from semgllamm.estimation.settings import Grid, Ordinary, parse_quadrature
    from semgllamm.model.transforms import working_parameters

    tree = plan_tree(model, design)
    working = working_parameters(model, tuple(model.eta[k] for k in tree.order), constraint)
    rule = Grid() if _is_auto(quadrature) and unseen is None else quadrature
    if isinstance(rule, Grid) and unseen is not None:
        raise ModelError("with @unseen a model has no shared grid", remedy="Use quadrature='auto'.")
    if isinstance(rule, Grid):
        from semgllamm.estimation.grid import shared_grid

        rule = parse_quadrature(rule, model.levels[:1])
        found = shared_grid(model, working, design, settings.threads)
        if found is not None:
            _announce_compilation("patterns.sweep_patterns" if len(found.axes) == 1 else "grid.sweep_units")
        if found is not None and (rule.points is not None or found.reaches(found.start_values(diagram))):
            return found, tree, rule
        if not _is_auto(quadrature):
            raise ModelError(
                "this model has no shared grid",
                remedy="A grid is for one to three latent variables, at the level of the rows, of items with few "
                "different answers. Use quadrature='auto'.",
            )
    predictor = Predictor(model, working, tree, design)
    rule = parse_quadrature(quadrature, predictor.rule_levels)
    if _is_auto(quadrature) and unseen is None:
        from semgllamm.estimation.normal_products import NormalProducts, has_normal_products

        if has_normal_products(predictor):
            found = NormalProducts(predictor, settings.threads)
            if found.reaches(found.start_values(diagram)):
                return found, tree, rule
    _announce_compilation()
    kind = Likelihood
    if unseen is not None:
        from semgllamm.estimation.unseen import SeenLikelihood as kind
    return kind(predictor, ordinary=isinstance(rule, Ordinary), threads=settings.threads), tree, rule


def _check_starts(n_starts, model) -> None:
    if n_starts is None:
        return
    if all(variable.summed for variable in model.classes):
        raise ModelError("n_starts is for models with categorical latent variables", remedy="Leave it out.")
    if isinstance(n_starts, bool) or not isinstance(n_starts, int) or n_starts < 1:
        raise EstimationError(f"n_starts cannot be {n_starts!r}", remedy="Give a whole number, 1 or more.")


def _mixture(model, design, constraint, quadrature, settings, request):
    """As `_likelihood`, for a model with categorical latent variables."""
    from semgllamm.estimation.inner_classes import InnerClasses, sums_inside, tree_of_parts
    from semgllamm.estimation.mixture import MixtureLikelihood, check_mixture
    from semgllamm.estimation.predictor import plan_tree
    from semgllamm.estimation.settings import Grid, Ordinary, parse_quadrature
    from semgllamm.model.transforms import working_parameters

    _check_engine(request)
    if isinstance(quadrature, Grid):
        raise ModelError("models with classes have no shared grid", remedy="Use quadrature='auto'.")
    _announce_compilation()
    tree, kind = plan_tree(model, design), MixtureLikelihood
    if sums_inside(model, tree):
        tree, kind = tree_of_parts(model, design), InnerClasses
    else:
        check_mixture(model)
    working = working_parameters(model, tuple(model.eta[k] for k in tree.order), constraint)
    likelihood = kind(model, working, tree, design, isinstance(quadrature, Ordinary), settings.threads)
    return likelihood, tree, parse_quadrature(quadrature, likelihood.levels)


def _check_engine(request) -> None:
    """What only a closed form can do."""
    if request.objective != "ML" or request.estimator in ("MLM", "MLMV", "MLMVS"):
        raise ModelError(
            f"estimator='{request.estimator}' is for Gaussian models in closed form", remedy="Use 'ML' or 'MLR'."
        )
    if request.test not in (None, "standard"):
        raise ModelError(f"test='{request.test}' is for Gaussian models in closed form")
    if request.se == "robust.sem":
        raise ModelError(f"se='{request.se}' is for Gaussian models in closed form", remedy="Use se='robust'.")
    if request.information == "expected":
        raise ModelError("the expected information is for Gaussian models in closed form")


def parameter_table(
    model: str | PathDiagram,
    like: str = "sem",
    n_groups: int = 1,
    fixed_x: bool = True,
    ordered: Sequence[str] = (),
    cluster: Sequence[str] | str | None = None,
    family: Mapping[str, str] | str | None = None,
    constraints: str | None = None,
    **switches,
):
    """lavaan's completed parameter table of a model, without data.

    Parameters
    ----------
    model : str or PathDiagram
        Model text, or its diagram before completion.
    like : {"sem", "cfa", "growth", "lavaan", "fit"}
        The fitting function whose switches hold where none is given.
    n_groups : int
    fixed_x : bool
        Whether exogenous covariates are conditioned on.
    ordered : iterable of str
        Ordinal responses; their thresholds are there if `categories` counts them.
    cluster : str or sequence of str, optional
        Cluster columns, lowest first.
    family : mapping of str to str, or str, optional
        As in ``"bernoulli(logit)"``.
    constraints : str, optional
        More model text, for constraints and definitions.
    **switches
        As for `semgllamm.diagram.defaults.complete`.

    Returns
    -------
    DataFrame
        lhs, op, rhs, user (1 written, 0 completed, 2 a constraint that completion added), block, group, level, free
        (numbers, equal where parameters are equal; 0 for none), fixed, label, start, exo.

    Examples
    --------
    >>> import semgllamm as sg
    >>> sg.parameter_table("f =~ y1 + y2 + y3")[["lhs", "op", "rhs", "free"]].head(3)
      lhs  op rhs  free
    0   f  =~  y1     0
    1   f  =~  y2     1
    2   f  =~  y3     2
    """
    from semgllamm.diagram.defaults import complete
    from semgllamm.diagram.table import frame

    completed = complete(
        _diagram(model, constraints), like, n_groups=n_groups, cluster=_listed(cluster), ordered=ordered, family=family,
        fixed_x=fixed_x, **switches,
    )  # fmt: skip
    return frame(completed, switches.get("conditional_x"), like != "fit")


def simulate(
    model: str | PathDiagram | Path,
    data: Any = None,
    *,
    n_units: int | Mapping[str, int] | None = None,
    values: Mapping[str, float] | None = None,
    seed: int | None = None,
    missing: Any = None,
    family: str | Mapping[str, str] | None = None,
    cluster: str | Sequence[str] | None = None,
    ordered: Sequence[str] = (),
    classes: bool = False,
    **switches: Any,
):
    """Draw data from a model whose parameters have values.

    Parameters
    ----------
    model : str, PathDiagram or path of a file
        Values are those at which the text fixes parameters, ``0.5*x``, or starts them, ``start(0.5)*x``. What
        completion adds is 0, or 1 for variances, unless it has a value.
    data : DataFrame or the like, optional
        Covariates and clusters; responses in it are replaced.
    n_units : int or mapping of level to int, optional
        In place of data: the number of rows, or that of units of each level within each unit of the next higher one,
        as in ``{"school": 30, "row": 10}``. Covariates are drawn from the standard normal distribution, at the level at
        which they are used.
    values : mapping of label or automatic name to value, optional
        As in ``{"school.intercept~~school.intercept": 0.5}``; these come before the text's.
    seed : int, optional
    missing : mapping of response to share, or callable, optional
        As of `Fit.simulate`.
    family, cluster, ordered, **switches
        As for `fit`.
    classes : bool
        With the classes that are drawn, a column a categorical latent variable.

    Returns
    -------
    DataFrame

    Raises
    ------
    ModelError
        If a parameter of the text has no value, or the values are impossible.
    DataError
    """
    import numpy as np

    from semgllamm.data.frames import to_frame
    from semgllamm.data.made_up import made_up, with_places_for_answers
    from semgllamm.results.simulation import columns_of, drawn_from_model, lost, values_of_cells

    rng = np.random.default_rng(seed)
    options = {"family": family, "cluster": cluster, "ordered": ordered, **switches}
    completed, lowered_model, _ = lowered(model, **options)
    if (data is None) == (n_units is None):
        raise DataError("simulate() needs data, or a number of units, not both", remedy="Write n_units=500, say.")
    frame = made_up(lowered_model, completed, n_units, rng) if data is None else to_frame(data)
    frame = with_places_for_answers(lowered_model, frame, rng)
    diagram, lowered_model, design, binding, _ = _bound(
        model, frame, like="fit", family=family, cluster=cluster, group=None, ordered=ordered, constraints=None,
        missing="ml", switches=switches, start=values,
    )  # fmt: skip
    cells = values_of_cells(diagram, lowered_model)
    drawn = drawn_from_model(diagram, lowered_model, design, binding, cells, rng, classes)
    return lost(drawn, missing, rng, columns_of(binding))


def lowered(model, data=None, *, family=None, cluster=None, group=None, ordered=(), **switches):
    """(completed diagram, Model, Design or None): the walk as far as the matrices, with or without data."""
    if data is not None:
        diagram, model, design, *_ = _bound(
            model, data, like="fit", family=family, cluster=cluster, group=group, ordered=ordered, constraints=None,
            missing="ml", switches=switches, start=None,
        )  # fmt: skip
        return diagram, model, design
    from semgllamm.data.binding import ROW
    from semgllamm.diagram.checks import check, check_estimable, check_residuals
    from semgllamm.diagram.composite import composite_of
    from semgllamm.diagram.defaults import complete
    from semgllamm.diagram.families import family_in, settle_families
    from semgllamm.diagram.nominal import families_of_choices, in_long_form, in_wide_form
    from semgllamm.model.lower import level_index, lower
    from semgllamm.model.matrices import Response
    from semgllamm.responses import registry

    _check_switches(switches)
    diagram = _diagram(model)
    settled = families_of_choices(settle_families(diagram, ordered, family))
    check_estimable(settled)
    for name in in_wide_form(settled):
        raise ModelError(f"the categories of '{name}' are known from data", remedy="Pass data as well.")
    completed = complete(settled, like="fit", ordered=ordered, family=family, cluster=_listed(cluster), **switches)
    check(completed)
    check_residuals(completed)
    levels = (ROW, *dict.fromkeys((*_listed(cluster), *reversed(diagram.clusters))))
    responses = []
    for name in completed.responses:
        spec = family_in(completed, name)
        found = registry.lookup(spec.name, spec.link)
        named = [
            level_index(path.block.level, levels)
            for path in diagram.paths
            if (path.rhs if path.op == "=~" else path.lhs) == name
        ]
        named += [0 for term in diagram.random_terms if term.lhs == name]
        thresholds = sum(row.op == "|" and row.lhs == name for row in completed.parameters)
        summed = composite_of(completed, name)
        found = found if summed is None else registry.composite_of(found)
        answer = name if summed is not None or name in in_long_form(completed) else ""
        count = thresholds + 1 if found.thresholds else 0
        responses.append(Response(name, found, min(named, default=0), count, answer))
    return completed, lower(completed, levels, responses), None


def _bound(
    model, data, *, like, family, cluster, group, ordered, constraints, missing, switches, start, joint=False,
    group_label=None, weights_scaling="raw",
):  # fmt: skip
    """(completed diagram, Model, Design, Binding, warnings): a model text and its data, bound to each other."""
    from semgllamm.data.binding import bind
    from semgllamm.data.design import design as bind_cells
    from semgllamm.data.design import holes, notes_of_holes, notes_of_lost_rows, values_to_sum
    from semgllamm.data.frames import to_frame
    from semgllamm.data.moments import SampleMoments
    from semgllamm.diagram.checks import check, check_against_columns, check_estimable, check_residuals
    from semgllamm.diagram.defaults import complete
    from semgllamm.diagram.families import settle_families
    from semgllamm.diagram.nominal import by_category, families_of_choices
    from semgllamm.estimation.gaussian import has_closed_form, is_gaussian
    from semgllamm.model.lower import lower
    from semgllamm.model.missing_covariates import with_missing_covariates, with_summed_covariates

    _check_switches(switches)
    diagram = _diagram(model, constraints)
    if data is None:
        raise DataError(f"{like}() needs data", remedy=f"Pass a DataFrame: {like}(model, data).")
    moments = data if isinstance(data, SampleMoments) else None
    frame = to_frame(data) if moments is None else None
    columns = tuple(frame.columns) if moments is None else moments.names
    diagram = families_of_choices(settle_families(diagram, _listed(ordered, "ordered"), family))
    messages = list(check_against_columns(diagram, columns, also=_listed(group) if moments is None else ()))
    check_estimable(diagram)
    if moments is not None:
        frame, group = moments.frame(diagram, group)
        if like not in ("fit", "growth"):
            switches = {"meanstructure": moments.means is not None, **switches}
    # a covariate with a part at each level has a density, and what covaries with it
    parted = like != "fit" and bool(diagram.parted_covariates)
    random_x = diagram.covariates if parted or switches.get("fixed_x") is False else ()
    fixed_x = switches.get("fixed_x", True)
    if parted:
        switches = {**switches, "fixed_x": False}
    labels = None if group_label is None else _listed(group_label, "group_label")
    binding = bind(diagram, frame, cluster=_listed(cluster), group=group, also=random_x, group_labels=labels)
    if moments is not None:
        binding = replace(binding, from_moments=True)
    diagram = by_category(diagram, binding.nominal)
    in_clusters = bool(_listed(cluster)) and not any(path.block.level for path in diagram.paths)
    if like != "fit" and (missing == "ml" or in_clusters):
        if switches.get("meanstructure") is False:
            why = "missing='ml'" if missing == "ml" else "clusters"
            raise ModelError(f"with {why} a model has means: meanstructure=False cannot be", remedy="Leave it out.")
        switches = {**switches, "meanstructure": True}
    if len(binding.group_labels) == 1 and any(switches.get(name) for name in ("group_equal", "group_partial")):
        raise ModelError("group_equal is given, and there is one group", remedy="Name the column of groups in group=.")
    completed = complete(
        diagram, like=like, fitted=True, n_groups=len(binding.group_labels), group_labels=binding.group_labels,
        cluster=binding.levels[1:], categories=dict(binding.categories), dummies=dict(binding.dummies),
        family={name: chosen for name, chosen in binding.families.items() if name in diagram.responses},
        response_levels={r.name: binding.levels[r.level] if r.level else None for r in binding.responses}, **switches,
    )  # fmt: skip
    _check_means(completed, switches)
    messages += check(completed, binding.group_labels)
    if moments is not None and moments.means is None and any(row.op == "~1" for row in completed.parameters):
        messages.append("sample_mean is not given: means are taken as 0, and intercepts say nothing")
    if start:
        completed = _with_starts(completed, start)
    lowered = model = lower(completed, binding.levels, binding.responses, binding.group_labels)
    # where responses have a joint normal density, one that causes another may be missing
    in_closed_form = joint and is_gaussian(model) and not model.classes
    cells = bind_cells(model, completed, binding, missing, in_closed_form, weights_scaling)
    if model.classes or not (joint and has_closed_form(model, cells, completed)):
        check_residuals(completed)
        if parted:
            raise ModelError(
                f"'{diagram.parted_covariates[0]}' has a part at each level: this is fitted in closed form only",
                remedy="Use complete rows, Gaussian responses and quadrature='auto'.",
            )
        if missing == "ml" and not model.classes and len(patterns := holes(model, binding)) > 1:
            model = with_missing_covariates(model, patterns)
        if missing == "ml" and not model.classes and (names := values_to_sum(model, binding)):
            model = with_summed_covariates(model, names)
        if len(model.holes) > 1 or any(variable.summed for variable in model.classes):
            binding = replace(binding, notes=(*binding.notes, *notes_of_holes(model, binding)))
        if in_closed_form or model is not lowered:
            cells = bind_cells(model, completed, binding, missing, weights_scaling=weights_scaling)
    elif parted and fixed_x:
        from semgllamm.estimation.exogenous import condition

        completed, model, cells = condition(completed, model, cells, random_x)
    if like == "fit" and missing == "ml":
        binding = replace(binding, notes=(*binding.notes, *notes_of_lost_rows(binding, cells)))
    return completed, model, cells, binding, [*messages, *binding.warnings]


def _diagram(model, constraints: str | None = None) -> PathDiagram:
    if isinstance(model, PathDiagram):
        if constraints is None:
            return model
        above = f"{model.text.rstrip()}\n" if model.text else ""
        # behind as many empty lines the places are those in the text of both
        more = parse("\n" * above.count("\n") + constraints)
        return replace(
            model,
            text=above + constraints,
            constraints=(*model.constraints, *more.constraints),
            definitions=(*model.definitions, *more.definitions),
        )
    if isinstance(model, Path):
        if not model.exists():
            raise ModelError(f"there is no model file '{model}'")
        model = model.read_text(encoding="utf-8")
    if not isinstance(model, str):
        raise ModelError(f"a model is a text, a path or a PathDiagram, not {type(model).__name__}")
    return parse(model if constraints is None else f"{model}\n{constraints}")


def _check_switches(switches: Mapping[str, Any]) -> None:
    known = (*COMPLETION, *ARGUMENTS)
    for name in switches:
        if name not in COMPLETION:
            near = get_close_matches(name, known, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "Known: " + ", ".join(known) + "."
            raise ModelError(f"unknown argument '{name}'", remedy=hint)


def _check_means(diagram: PathDiagram, switches: Mapping[str, Any]) -> None:
    """Refuse switches of means where there are none."""
    if any(row.op == "~1" for row in diagram.parameters):
        return
    effects = switches.get("effect_coding")
    given = {
        "int_ov_free=False": switches.get("int_ov_free") is False, "int_lv_free=True": switches.get("int_lv_free"),
        "effect_coding='intercepts'": effects == "intercepts" or effects in (["intercepts"], ("intercepts",)),
    }  # fmt: skip
    for name, is_given in given.items():
        if is_given:
            raise ModelError(f"{name} is about means, and this model has none", remedy="Use meanstructure=True.")


def _listed(value, argument: str = "cluster") -> tuple[str, ...]:
    if value is None or isinstance(value, str):
        return () if value is None else (value,)
    names = tuple(value) if isinstance(value, Iterable) else (None,)
    if all(isinstance(name, str) for name in names):
        return names
    raise ModelError(f"{argument} cannot be {value!r}", remedy="Give the name of a column, or a list of names.")


def _with_starts(diagram: PathDiagram, start: Mapping[str, float]) -> PathDiagram:
    if not isinstance(start, Mapping):
        raise ModelError(f"start cannot be {start!r}", remedy="Give values by name: start={'y~x': 0.5}.")
    named = {name: [] for name in start}
    for row in diagram.parameters:
        for name in {row.label, row.name, row.full_name} & named.keys():
            named[name].append(row)
    rows: dict[int, float] = {}
    for name, value in start.items():
        _check_start(diagram, name, value, named[name])
        rows.update({id(row): float(value) for row in named[name]})
    changed = (replace(row, start=rows[id(row)]) if id(row) in rows else row for row in diagram.parameters)
    return replace(diagram, parameters=tuple(changed))


def _check_start(diagram: PathDiagram, name: str, value, rows) -> None:
    if not rows:
        known = {name for row in diagram.parameters for name in (row.label, row.full_name) if name and row.free}
        near = get_close_matches(str(name), known, n=1)
        raise ModelError(f"start names no parameter '{name}'", remedy=f"Did you mean '{near[0]}'?" if near else None)
    if not isinstance(value, Real) or not isfinite(value):
        raise ModelError(f"the start value of '{name}' is {value!r}", remedy="Give a finite number.")
    if not any(row.free for row in rows):
        raise ModelError(f"start names '{name}', which is fixed at {rows[0].fixed:g}", remedy="Leave it out of start.")
    if value < 0 and any(row.op == "~~" and row.lhs == row.rhs for row in rows):
        raise ModelError(f"the start value of the variance '{name}' is {value:g}", remedy="Give zero or more.")


def _names(diagram: PathDiagram, model) -> dict[str, int]:
    """Parameter number of each label and automatic name."""
    out: dict[str, int] = {}
    for row, number in zip(diagram.parameters, model.rows):
        for name in (row.label, row.full_name):
            if name:
                out.setdefault(name, number)
    return out


def _announce_compilation(kernel: str = "recursion.node") -> None:
    from semgllamm.responses import jit

    if jit.is_cold(kernel) and sys.stderr is not None:
        print("semgllamm: compiling the integration engine (once on this machine, half a minute or so) ...",
              file=sys.stderr, flush=True)  # fmt: skip


def _progress(progress):
    if progress is False or (progress == "auto" and not (sys.stderr is not None and sys.stderr.isatty())):
        return None

    def line(iteration, loglik, gradient, elapsed):
        print(f"\riteration {iteration:3d}   logL {loglik:.6f}   gradient {gradient:.1e}   {elapsed:.1f} s",
              end="", file=sys.stderr, flush=True)  # fmt: skip

    return line
