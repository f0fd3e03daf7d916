"""Scores of latent variables.

Empirical Bayes: posterior means and standard deviations of η = μ + M u; of Gaussian models these are the regression
scores (Thomson 1939). Bartlett's (1937) scores are the least squares estimates of η, taken as fixed, from the residuals
e = y − E(y|x) of the responses that are seen,

    η̂ = E(η|x) + (Λ'Θ⁻¹Λ)⁻¹ Λ'Θ⁻¹ e,   var(η̂ − η) = (Λ'Θ⁻¹Λ)⁻¹,

with Λ the effects of η on y and Θ the covariances of y given η. In units of several levels e is split: the part of a
unit is its posterior mean ê_l, of which the scores of its level are computed, and those of rows are of e − Σ_l ê_l;
what a latent variable has from levels above is its posterior mean.

Of fits by integration the mode is where the joint density of answers and latent variables is highest, and its standard
error is by the curvature there, C = (−∂² log density)⁻¹; with one latent variable of categorical items
`semgllamm.results.trait_scores` finds it anew. Disturbances are ζ = η − Bη − Γw.

The variance of η given the answers is that of η̃ − η, whose root is the comparative standard error, for comparisons of
units; the diagnostic one, √(var η − var(η | y)), is the standard deviation of η̃ over samples, for finding odd units
(Skrondal & Rabe-Hesketh 2009, section 3.2): exactly for Gaussian models, on average for others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.grid import GridLikelihood
from semgllamm.estimation.mixture import MixtureLikelihood
from semgllamm.estimation.nested import NestedLikelihood
from semgllamm.estimation.products import depends_on_products
from semgllamm.integration.arrays import DEPTH
from semgllamm.model.missing_covariates import latent_of

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.results.fit import Fit

__all__ = ["bartlett", "by_coordinates", "empirical_bayes", "means_by_row", "plausible_draws", "unit_ids"]

ERRORS = (True, False, "posterior", "comparative", "diagnostic")
ROUNDING = 1e-10  # a variance of this size next to that of the scores is zero


def empirical_bayes(fit: Fit, level: str | int | None = None, se: bool = True) -> pd.DataFrame:
    """Posterior mean (and standard deviation, ``NAME.se``) of each latent variable of one level, a row a unit."""
    import pandas as pd

    wanted = _level(fit, level)
    names = [n for n, at in zip(fit.model.eta, fit.model.eta_level) if at == wanted]
    scores = _in_closed_form if isinstance(fit.likelihood, GaussianLikelihood) else _by_quadrature
    if isinstance(fit.likelihood, GridLikelihood):
        scores = _on_the_grid
    elif isinstance(fit.likelihood, MixtureLikelihood):
        scores = _over_classes
    out = {}
    for name, value, variance in scores(fit, names, wanted):
        if wanted == 0 and len(fit.model.holes) > 1:
            value, variance = (np.where(_stands_for_data(fit, name), np.nan, x) for x in (value, variance))
        out[name] = value
        if se:
            out[f"{name}.se"] = np.sqrt(np.maximum(variance, 0.0))
    return pd.DataFrame(out, index=unit_ids(fit, wanted))


def by_coordinates(
    fit: Fit, level: str | int | None = None, se: bool | str = True, disturbances: bool = False, mode: bool = False
) -> pd.DataFrame:
    """Scores from the coordinates of the integration tree: of η or ζ, means or modes, a row a unit.

    Parameters
    ----------
    se : bool or {"posterior", "comparative", "diagnostic"}
    disturbances : bool
        Of ζ; what has no disturbance is left out.
    mode : bool

    Raises
    ------
    ModelError
        With classes and products of latent variables, and as `semgllamm.estimation.conditional.engine_of`.
    """
    import pandas as pd

    from semgllamm.errors import ModelError

    wanted = _level(fit, level)
    names = [n for n, at in zip(fit.model.eta, fit.model.eta_level) if at == wanted]
    names = [n for n in names if not disturbances or fit.model.varies(n)]
    if fit.model.classes:
        raise ModelError("with classes there are posterior means of latent variables and plausible values, not modes, "
                         "disturbances or diagnostic standard errors",
                         remedy="Use kind='eb' or kind='plausible'.")  # fmt: skip
    bent = [name for name in names if depends_on_products(fit.model, name)]
    if bent:
        raise ModelError(f"{', '.join(bent)} depends on products of latent variables: such scores are not computed",
                         remedy="Name another level.")  # fmt: skip
    engine = fit._engine
    inner = engine.inner(np.asarray(fit.free, dtype=float))
    path_moments = (_modes if mode else _means)(engine, inner)
    out = {}
    for name in names:
        mean, loading, node = engine.predictor.latent(name, inner)
        if disturbances:
            mean, (loading, node) = np.zeros(len(mean)), _of_disturbance(fit, engine.predictor, name, inner)
        value, variance = mean.copy(), np.zeros(len(mean))
        there = np.flatnonzero(node >= 0)
        center, covariance = path_moments(node[there])
        own = loading[there, : center.shape[1]]
        value[there] += (own * center).sum(axis=1)
        variance[there] = np.einsum("na,nab,nb->n", own, covariance, own)
        if se == "diagnostic":
            variance = (loading**2).sum(axis=1) - variance
        out[name] = value
        if se:
            out[f"{name}.se"] = np.sqrt(np.maximum(variance, 0.0))
    return pd.DataFrame(out, index=unit_ids(fit, wanted))


def _means(engine, inner: np.ndarray):
    """A function of nodes: posterior means and covariances of the coordinates on their paths."""
    posterior = engine.posterior(inner)

    def of(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w, u = posterior.path(nodes)
        mean = np.einsum("ns,ans->na", w, u)
        e = u - mean.T[:, :, None]
        return mean, np.einsum("ns,ans,bns->nab", w, e, e)

    return of


def _modes(engine, inner: np.ndarray):
    """The same of modes, and of the inverse curvature: u_a = m_a + Σ_b G_ab (u_b − m_b) + T_a z_a on each path."""
    predictor = engine.predictor
    state = predictor.at(inner)
    workspace = predictor.program.workspace()
    predictor.program.posterior(state.lin, state.D, predictor.rules((1,) * len(predictor.rule_levels)), workspace)
    tree = predictor.program.tree

    def of(nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        depth = int(tree[nodes[0], 0]) + 1
        path = np.empty((len(nodes), depth), dtype=np.int64)
        here = nodes.copy()
        for d in range(depth - 1, -1, -1):
            path[:, d] = here
            here = tree[here, 1]
        root = np.zeros((len(nodes), depth, depth))
        for d in range(depth):
            root[:, d] = np.einsum("nb,nbk->nk", workspace.G[path[:, d], :d], root[:, :d])
            root[:, d, d] += workspace.T[path[:, d]]
        return workspace.m[path], root @ np.swapaxes(root, 1, 2)

    return of


def _of_disturbance(fit: Fit, predictor, name: str, inner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The coefficients of ζ in the coordinates, (units, depth), and the nodes: those of η less B times its causes'."""
    cells = predictor.working.cells(inner)
    design, model = predictor.design, predictor.model
    at = model.eta_level[model.eta.index(name)]
    rows = design.first_row[at]
    group = design.group_of[rows]
    causes = {cell.column for matrices in model.groups for cell in matrices.B if cell.row == name}
    paths = {other: predictor.path_of(other) for other in (name, *sorted(causes))}
    longest = max(paths, key=lambda other: len(paths[other]))
    codes = {other: design.codes[model.eta_level[model.eta.index(other)]][rows] for other in paths}
    found = {other: predictor.latent(other, inner) for other in paths}
    out = np.zeros((len(rows), max(x.shape[1] for _, x, _ in found.values())))

    def add(other: str, size, mine) -> None:
        loading = found[other][1][codes[other][mine]]
        for a, v in enumerate(paths[other]):
            out[mine, paths[longest].index(v)] += size * loading[:, a]

    add(name, 1.0, np.arange(len(rows)))
    for g, matrices in enumerate(model.groups):
        mine = np.flatnonzero(group == g)
        for cell in matrices.B:
            if cell.row == name and len(mine):
                times = 1.0 if cell.times is None else design.column(cell.times)[rows[mine]]
                add(cell.column, -cell.at(cells) * times, mine)
    return out, found[longest][2][codes[longest]]


def plausible_draws(fit: Fit, level: str | int | None, n: int, seed: int | None) -> pd.DataFrame:
    """Draws of all latent variables of a level together, by the posterior means and covariances of the coordinates.

    Exact for Gaussian models; of others the posterior is taken to be normal.

    Raises
    ------
    ModelError
        For numbers of draws below 1, and as `by_coordinates`.
    """
    import pandas as pd

    from semgllamm.errors import ModelError
    from semgllamm.estimation.posterior_draws import coordinates_drawn, posterior_patterns

    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ModelError(f"the number of plausible values is a whole number from 1, not {n!r}")
    wanted = _level(fit, level)
    names = [name for name, at in zip(fit.model.eta, fit.model.eta_level) if at == wanted]
    if any(depends_on_products(fit.model, name) for name in names):
        raise ModelError("plausible values of what depends on products of latent variables are not drawn")
    engine, rng = fit._engine, np.random.default_rng(seed)
    inner = engine.inner(np.asarray(fit.free, dtype=float))
    predictor = engine.predictor
    found = [predictor.latent(name, inner) for name in names]
    rows = predictor.design.first_row[wanted]
    posterior, draws = engine.posterior(inner), []
    patterns = None
    if engine.mixture is not None:
        patterns = posterior_patterns(engine.mixture.apart, np.asarray(fit.free, dtype=float), fit.points)
        first = engine.mixture.design.first_row[wanted]
    for _ in range(n):
        if patterns is not None:
            # the unit in the pattern of classes that is drawn
            of_unit = patterns(rng)[first] * len(first) + np.arange(len(first))
        u = coordinates_drawn(engine, inner, rng, posterior)
        values = []
        for name, (mean, loading, _) in zip(names, found):
            value = mean.copy()
            for a, k in enumerate(predictor.path_of(name)):
                value += loading[:, a] * u[k][predictor.design.codes[predictor.model.eta_level[k]][rows]]
            values.append(value if patterns is None else value[of_unit])
        draws.append(np.column_stack(values))
    index = unit_ids(fit, wanted)
    if n > 1:
        index = pd.MultiIndex.from_product([range(1, n + 1), index], names=["draw", index.name])
    return pd.DataFrame(np.concatenate(draws), columns=names, index=index)
def means_by_row(fit: Fit, unit: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """The posterior mean of each latent variable, of the unit of each row at each level."""
    out = {}
    for level in sorted(set(fit.model.eta_level)):
        found = empirical_bayes(fit, fit.model.levels[level], se=False)
        out |= {name: found[name].to_numpy()[unit[level]] for name in found}
    return out


def _stands_for_data(fit: Fit, name: str) -> np.ndarray:
    """Rows in which a covariate is seen that elsewhere is the latent variable."""
    missing = np.array([name in map(latent_of, pattern) for pattern in fit.model.holes])
    return missing.any() & ~missing[fit.design.group_of % len(missing)]


def _in_closed_form(fit: Fit, names: list[str], level: int):
    """(name, mean, variance) of each latent variable over the units of its level."""
    likelihood = fit.likelihood
    nodes = [len(likelihood.responses) + fit.model.eta.index(name) for name in names]
    mean, variance = np.empty((fit.design.n_rows, len(nodes))), np.empty((fit.design.n_rows, len(nodes)))
    found = zip(likelihood.samples, likelihood.at(fit.free), likelihood.posterior(fit.free))
    for g, (sample, here, (m, v)) in enumerate(found):
        mean[sample.rows] = m[:, nodes] + _at_means(fit, g, here)[nodes]
        # of an improper solution, in which a residual variance is below zero
        improper = v < -ROUNDING * np.abs(np.diagonal(here.P, axis1=1, axis2=2)).max(axis=0)
        variance[sample.rows] = np.where(improper, np.nan, v)[:, nodes]
    first = fit.design.first_row[level]
    return zip(names, mean[first].T, variance[first].T)


def _at_means(fit: Fit, g: int, here) -> np.ndarray:
    """What is added to scores of central moments: with intercepts of zero, νx̄ is the mean of a latent variable.

    Covariates that are responses (`fixed_x=False`) have their means too.
    """
    likelihood = fit.likelihood
    names, sample, design = likelihood.covariates[g], likelihood.samples[g], likelihood.design
    out = np.zeros(len(here.nu))
    if likelihood.has_means:
        return out
    if names:
        x = np.stack([design.column(name)[sample.rows] for name in names], axis=1)
        out += here.nu @ np.average(x, axis=0, weights=sample.weight)
    for block in design.blocks:
        name = block.response.name
        if block.group == g and name in fit.diagram.covariates:
            weight = None if sample.weight is None else sample.weight[np.isin(sample.rows, block.rows)]
            out += here.E[:, likelihood.responses.index(name)] * np.average(block.y - block.offset, weights=weight)
    return out


def bartlett(fit: Fit, level: str | int | None = None, se: bool = True) -> pd.DataFrame:
    """Bartlett's score (and standard error, ``NAME.se``) of each latent variable of one level, a row a unit.

    NaN for latent variables without indicators of their own, and where too few responses are seen; composites, which
    the data determine, have their values.

    Raises
    ------
    ModelError
        For fits by quadrature, where residuals covary with disturbances, and where only slopes on covariates of rows
        tell of the latent variables.
    """
    import pandas as pd

    from semgllamm.errors import ModelError
    from semgllamm.results.standardized import closed_form_of

    likelihood = closed_form_of(fit, "Bartlett's scores are", varying=True)
    if any(group.Omega for group in fit.model.groups):
        raise ModelError("Bartlett's scores need residuals that do not covary with the latent variables")
    wanted = _level(fit, level)
    hidden = fit.model.hidden
    names = [n for n, at in zip(fit.model.eta, fit.model.eta_level) if at == wanted and n not in hidden]
    p, alone = len(likelihood.responses), likelihood.n_levels == 1
    targets = [p + fit.model.eta.index(name) for name in names]
    # latent variables of other levels hand on what they have from this one
    rest = [k for k in range(p + len(fit.model.eta)) if k not in targets]
    value = np.full((fit.design.n_rows, len(names)), np.nan)
    error = np.full((fit.design.n_rows, len(names)), np.nan)
    for g, (here, sample) in enumerate(zip(likelihood.at(fit.free), likelihood.samples)):
        if isinstance(likelihood, NestedLikelihood):
            value[sample.rows], spread = _in_nested_units(here, sample, wanted, np.array(targets, int), rest)
            error[sample.rows] = spread if alone else np.nan
            continue
        B, S, _ = here.graph.matrices(fit._cells)
        S = S[0 if alone else wanted]
        Lambda, Theta = _measured(B, S, targets, rest, p)
        Sigma = (here.E @ S @ here.E.T)[:p, :p]
        x, e, pattern, from_above = _residuals(fit, here, sample, targets, wanted)
        seen_by = sample.moments.seen if alone else np.ones((1, p), dtype=bool)
        score = x @ here.nu[targets].T + _at_means(fit, g, here)[targets] + from_above
        for k in np.unique(pattern):
            mine = np.flatnonzero(pattern == k)
            seen = seen_by[k] & (np.diag(Sigma) > 0)
            gain, variance = _least_squares(Lambda[seen], Theta[np.ix_(seen, seen)], Sigma[np.ix_(seen, seen)])
            score[mine] += e[mine][:, seen] @ gain.T
            with np.errstate(invalid="ignore"):
                error[sample.rows[mine]] = np.sqrt(variance) if alone else np.nan
        value[sample.rows] = score
    first = fit.design.first_row[wanted]
    value, error = value[first], error[first]
    if names and likelihood.times and np.isnan(value).all():
        raise ModelError(
            f"Bartlett's scores of {', '.join(names)} are not determined: no part of the responses at their level "
            f"measures them, only how rows change with {', '.join(likelihood.times)}",
            remedy="Use kind='eb'.",
        )
    for j, (_, mean, variance) in enumerate(_in_closed_form(fit, names, wanted)):
        known = np.isnan(value[:, j]) & (variance <= ROUNDING * np.nanvar(mean))
        value[known, j], error[known, j] = mean[known], 0.0
    out = {}
    for j, name in enumerate(names):
        out[name] = value[:, j]
        if se:
            out[f"{name}.se"] = error[:, j]
    return pd.DataFrame(out, index=unit_ids(fit, wanted))


def _measured(B: np.ndarray, S: np.ndarray, targets, rest, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Λ of the latent variables `targets`, and Θ, by the p responses, the first nodes of the `rest`."""
    A = np.linalg.inv(np.eye(len(rest)) - B[np.ix_(rest, rest)])[:p]
    return A @ B[np.ix_(rest, targets)], A @ S[np.ix_(rest, rest)] @ A.T


def _residuals(fit: Fit, here, sample, targets: list[int], level: int):
    """x, y − E(y|x) of the level (0 where not seen), the pattern, and what the latent variables have from the level
    above, of each row of the group."""
    if sample.share is None:
        return sample.x, np.nan_to_num(sample.y - sample.x @ here.Pi.T), sample.pattern, 0.0
    r, p = len(sample.rows), here.graph.p
    cluster = r + np.searchsorted(sample.unit[r:], sample.unit[:r])
    deviation = np.nan_to_num(sample.y[:r] - sample.x[:r] @ here.Pi.T)
    means = sample.y[r:] - sample.x[r:] @ here.Pi.T
    # cov of the clusters' parts with the means is that of the upper level, P less the share of the rows
    _, S, _ = here.graph.matrices(fit._cells)
    between = (here.E @ S[1] @ here.E.T)[:p]
    part = np.einsum("np,npv->nv", means, here.W[sample.pattern[r:]] @ between)
    x, part = sample.x[:r] + sample.x[cluster], part[cluster - r]
    none = np.zeros(r, dtype=np.int64)
    if level:
        return x, part[:, :p], none, 0.0
    return x, deviation + means[cluster - r] - part[:, :p], none, part[:, targets]


def _in_nested_units(here, sample, level: int, targets: np.ndarray, rest: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and standard errors of the latent variables `targets` of a level, a row for each row of the group."""
    p, apart, units = here.graph.p, sample.apart(here), sample.alone.strata[level]
    of_level = apart.levels[level]
    mean = apart.posterior[level][0]
    own, above = mean[:, : len(of_level.here)], mean[:, len(of_level.here) :]
    E = np.broadcast_to(of_level.E, (units.n, *of_level.E.shape[1:]))[:, targets]
    value = ((E @ apart.Gamma) @ units.x[:, :, None])[:, :, 0] + (E[:, :, of_level.above] @ above[:, :, None])[:, :, 0]
    if level:
        # the unit's part of the responses where covariates that multiply coefficients are zero
        e = own @ apart.E[:p][:, of_level.here].T
        seen_by, kind, B = np.ones((1, p), dtype=bool), np.zeros(units.n, dtype=np.int64), apart.B[None]
    else:
        e = np.zeros((units.n, p))
        e[:, units.responses] = of_level.r - (of_level.H_up @ above[:, :, None])[:, :, 0]
        seen_by, kind, B = _kinds_of_rows(here, sample, units, p)
    error, S = np.empty_like(value), apart.S[level]
    for k in range(len(seen_by)):
        mine = np.flatnonzero(kind == k)
        effects = np.linalg.inv(np.eye(len(S)) - B[k])[:p]
        Sigma = effects @ S @ effects.T
        Lambda, Theta = _measured(B[k], S, targets, rest, p)
        seen = seen_by[k] & (np.diag(Sigma) > 0)
        both = np.ix_(seen, seen)
        gain, variance = _least_squares(Lambda[seen], Theta[both], Sigma[both])
        value[mine] += e[mine][:, seen] @ gain.T
        with np.errstate(invalid="ignore"):
            error[mine] = np.sqrt(variance)
    code = sample.codes[level]
    return value[code], error[code]


def _kinds_of_rows(here, sample, units, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each kind of rows which responses are seen, the kind of each unit of `units`, and the paths of each kind."""
    rows = sample.nested.strata[0]
    seen = np.zeros((rows.n_kinds, p), dtype=bool)
    seen[:, rows.responses] = rows.seen
    kind = np.empty(units.n, dtype=np.int64)
    kind[units.unit] = rows.kind[rows.unit]
    return seen, kind, here.paths_of(rows)


def _least_squares(Lambda: np.ndarray, Theta: np.ndarray, Sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Λ'Θ⁻¹Λ)⁻¹Λ'Θ⁻¹ and the diagonal of (Λ'Θ⁻¹Λ)⁻¹; NaN for latent variables that are not found.

    Where Θ is singular (a residual variance of zero) Σ stands for it, which gives the same estimates.
    """
    k = Lambda.shape[1]
    gain, variance = np.full((k, len(Lambda)), np.nan), np.full(k, np.nan)
    own = np.flatnonzero((Lambda != 0).any(axis=0))
    if not len(own) or np.linalg.matrix_rank(Lambda[:, own]) < len(own):
        return gain, variance
    Lambda = Lambda[:, own]
    regular = np.linalg.matrix_rank(Theta) == len(Theta)
    weighted = np.linalg.solve(Theta if regular else Sigma, Lambda)
    inverse = np.linalg.inv(Lambda.T @ weighted)
    gain[own] = inverse @ weighted.T
    variance[own] = np.diag(gain[own] @ Theta @ gain[own].T)
    return gain, variance


def _on_the_grid(fit: Fit, names: list[str], level: int):
    """The same from the posteriors on a shared grid."""
    mean, covariance = fit.likelihood.posterior(fit.free, fit.points)
    first = fit.design.first_row[level]
    for name in names:
        k = fit.model.eta.index(name)
        yield name, mean[first, k], covariance[first, k, k]


def _over_classes(fit: Fit, names: list[str], level: int):
    """The same averaged over the classes that a unit may be in."""
    likelihood, design = fit.likelihood, fit.design
    _, members = likelihood.members(fit.free, fit.points)
    unit = likelihood.kept_of(0)[design.codes[likelihood.heights[0]][design.first_row[level]]]
    p = members.posterior[0][unit][:, likelihood.pattern_classes]
    for name, value, variance in _by_quadrature(fit, names, level):
        value, variance = (x.reshape(p.shape[1], -1).T for x in (value, variance))
        mean = (p * value).sum(axis=1)
        yield name, mean, (p * (variance + value**2)).sum(axis=1) - mean**2


def _by_quadrature(fit: Fit, names: list[str], level: int):
    """The same from the nodes of the last evaluation."""
    bent = [name for name in names if depends_on_products(fit.model, name)]
    for name in bent:
        _check_factors(fit, name)
    predictor = fit.likelihood.predictor
    inner = predictor.working.inner(fit.free)
    state = predictor.at(inner)
    # one point has no spread: three give the moments of Gaussian posteriors exactly, seven those of others closely
    least = 3 if fit.likelihood.exact else 7
    points = tuple(max(k, least) for k in fit.points)
    mean, covariance = predictor.program.posterior(
        state.lin, state.D, predictor.rules(points), workspace=fit.likelihood.workspace,
        ordinary=fit.likelihood.ordinary,
    )
    tree = predictor.program.tree
    points_of = fit._engine.posterior(inner) if bent else None
    for name in names:
        if name in bent:
            yield name, *_of_products(predictor, state, points_of, name)
            continue
        mu, loading, node = predictor.latent(name, inner)
        value, variance = mu.copy(), np.zeros(len(mu))
        random = node >= 0
        if random.any():
            depth = int(tree[node[random][0], 0]) + 1
            on_path = np.empty((random.sum(), depth))
            here = node[random].copy()
            for d in range(depth - 1, -1, -1):
                on_path[:, d] = mean[here]
                here = tree[here, 1]
            weights = loading[random, :depth]
            value[random] += (weights * on_path).sum(axis=1)
            cov = covariance[node[random]][:, :depth, :depth]
            variance[random] = np.einsum("na,nab,nb->n", weights, cov, weights)
        yield name, value, variance


def _check_factors(fit: Fit, name: str) -> None:
    """Scores of what depends on products are for factors of the same level and paths with one coefficient."""
    from semgllamm.errors import ModelError

    model = fit.model
    height = dict(zip(model.eta, model.eta_level))
    factors = {f for g in model.groups for c in g.products if c.row in height for f in (c.column, c.times)}
    other = [f for f in sorted(factors) if height[f] != height[name]]
    if other or len(model.holes) > 1 or any(c.times is not None for g in model.groups for c in g.B):
        why = f"the level of {other[0]} is another" if other else "covariates multiply paths, or are integrated out"
        raise ModelError(
            f"{name} depends on products of latent variables: scores of it are not computed where {why}",
            remedy="Name another level, or write the products in the equations of the measures.",
        )


def _of_products(predictor, state, posterior, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and variance of a latent variable with products among its causes, a row a unit of its level.

    η = μ + M u + Σ c A η_a η_b at the points of the posterior of u, A the effects of what the products enter.
    """
    index, inner = predictor.index, state.inner
    level = predictor.model.eta_level[index[name]]
    group_of = predictor.design.group_of[predictor.design.first_row[level]]
    everything = {f for g in predictor.model.groups for c in g.products for f in (c.column, c.times)} & set(index)
    linear = {one: predictor.latent(one, inner) for one in {name, *everything}}
    tree = predictor.program.tree
    depth = {one: tree[node.max(), DEPTH] if (node >= 0).any() else -1 for one, (_, _, node) in linear.items()}
    node = linear[max(depth, key=depth.get)][2]
    w, u = posterior.path(node)
    width = len(u)

    def at_points(one: str) -> np.ndarray:
        mean, loading, _ = linear[one]
        return mean[:, None] + np.einsum("na,ans->ns", loading[:, :width], u)

    value = at_points(name)
    for g, group in enumerate(predictor.model.groups):
        mine = group_of == g
        for cell in group.products:
            effect = state.groups[g].A[index[name], index[cell.row]] if cell.row in index else 0.0
            if effect != 0.0:
                product = at_points(cell.column)[mine] * at_points(cell.times)[mine]
                value[mine] += cell.at(inner) * effect * product
    mean = (w * value).sum(axis=1)
    return mean, (w * (value - mean[:, None]) ** 2).sum(axis=1)


def _level(fit: Fit, level: str | int | None) -> int:
    from semgllamm.errors import ModelError
    from semgllamm.model.lower import level_index

    present = sorted(set(fit.model.eta_level))
    if level is None:
        if not present:
            raise ModelError("the model has no latent variables")
        return present[0]
    levels = fit.model.levels
    if str(level) in ("1", "within") or (len(levels) > 1 and str(level) in ("2", "between")):
        # lavaan's names of levels
        level = levels[level_index(str(level), levels)]
    if level not in levels or levels.index(level) not in present:
        known = ", ".join(fit.model.levels[k] for k in present)
        raise ModelError(
            f"no latent variable varies at level '{level}'", remedy=f"Levels with latent variables: {known}."
        )
    return fit.model.levels.index(level)


def unit_ids(fit: Fit, level: int):
    """What the units of a level are called in the data."""
    frame = fit.binding.frame
    rows = fit.design.kept[fit.design.first_row[level]]
    if level == 0:
        return frame.index[rows]
    name = fit.model.levels[level]
    return fit.binding.units.ids[name][fit.binding.units.codes[name][rows]]
