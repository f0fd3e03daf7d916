"""Designs drawn from a design: its independent units with replacement, or its responses from the model.

    ordinary      units i₁, …, i_J drawn from 1, …, J of each group, with all their rows and the units inside them
    parametric    y ~ f(ν),  ν = f + d'u,  u ~ N(0, I) of each unit of each level           (engine)
                  y = Πx + e,  e ~ N(0, F E S_l E'F') of each unit of each level l           (closed form)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semgllamm.data.design import CellBlock, Design, parted
from semgllamm.errors import EstimationError
from semgllamm.estimation.gaussian import GaussianLikelihood
from semgllamm.estimation.likelihood import Likelihood
from semgllamm.estimation.predictor import Predictor

__all__ = ["drawn_given", "independent_level", "simulated", "units_drawn"]


def independent_level(likelihood: GaussianLikelihood | Likelihood, clustered: bool = False) -> int:
    """The level of the independent units: the highest with latent variables; that of the clusters in any case."""
    design = likelihood.design if isinstance(likelihood, GaussianLikelihood) else likelihood.predictor.design
    if clustered:
        return len(design.codes) - 1
    if isinstance(likelihood, GaussianLikelihood):
        return likelihood.n_levels - 1
    predictor = likelihood.predictor
    return max((predictor.model.eta_level[k] for k in predictor.tree.order), default=0)


def units_drawn(design: Design, level: int, rng: np.random.Generator) -> Design:
    """As many of the units of a level as each group has, drawn with replacement.

    Parameters
    ----------
    design : Design
    level : int
        Of the independent units; a unit that is drawn twice becomes two units.
    rng : Generator

    Returns
    -------
    Design

    Raises
    ------
    EstimationError
        If a response is a choice.
    """
    _no_choices(design)
    code = design.codes[level]
    order = np.argsort(code, kind="stable")
    units = len(design.first_row[level])
    ends = np.searchsorted(code[order], np.arange(units + 1))
    group = design.group_of[design.first_row[level]]
    drawn = np.concatenate([
        rng.choice(mine, len(mine)) for g in range(int(group.max()) + 1) if len(mine := np.flatnonzero(group == g))
    ])  # fmt: skip
    take = np.concatenate([order[ends[k] : ends[k + 1]] for k in drawn])
    draw = np.repeat(np.arange(len(drawn)), (ends[1:] - ends[:-1])[drawn])
    codes, first_row = [], []
    for own in design.codes:
        # a unit within what is drawn twice is two units, and so is one that holds it
        _, first, inverse = np.unique(draw * (own.max() + 1) + own[take], return_index=True, return_inverse=True)
        codes.append(inverse.ravel())
        first_row.append(first)
    codes[0], first_row[0] = np.arange(len(take)), np.arange(len(take))
    blocks = []
    for block in design.blocks:
        place = np.full(design.n_rows, -1)
        place[block.rows] = np.arange(len(block.rows))
        rows = np.flatnonzero(place[take] >= 0)
        if len(rows):
            blocks.append(_picked(block, place[take][rows], rows))
    return replace(
        design, n_rows=len(take), kept=design.kept[take], codes=tuple(codes), first_row=tuple(first_row),
        blocks=tuple(blocks), columns={name: x[take] for name, x in design.columns.items()},
        group_of=design.group_of[take],
    )  # fmt: skip


def _picked(block: CellBlock, cells: np.ndarray, rows: np.ndarray) -> CellBlock:
    return replace(
        block, rows=rows, y=block.y[cells], trials=block.trials[cells], offset=block.offset[cells],
        choice=None if block.choice is None else block.choice[cells],
        case=None if block.case is None else block.case[cells],
        weight=None if block.weight is None else block.weight[cells],
    )  # fmt: skip


def simulated(likelihood: GaussianLikelihood | Likelihood, free: np.ndarray, rng: np.random.Generator) -> Design:
    """The design with its responses drawn from the model, missing where they were.

    Parameters
    ----------
    likelihood : GaussianLikelihood or Likelihood
        Of the engine's, one that was made by `uncollapsed`.
    free : (n_free,) array
    rng : Generator

    Returns
    -------
    Design

    Raises
    ------
    EstimationError
        If a response is a choice.
    """
    if isinstance(likelihood, GaussianLikelihood):
        design = likelihood.design
        return replace(design, blocks=tuple(_gaussian_blocks(likelihood, free, rng)))
    design = likelihood.predictor.design
    _no_choices(design)
    return replace(design, blocks=tuple(_drawn_blocks(likelihood, free, rng)))


def _no_choices(design: Design) -> None:
    """The alternatives of an answer would have to be drawn together."""
    for block in design.blocks:
        if block.choice is not None:
            what = "is a choice" if block.weight is None else "has @composite"
            raise EstimationError(
                f"'{block.response.answer}' {what}, of which no bootstrap samples are drawn yet",
                remedy="Use se='robust' for standard errors that rest on the sample.",
            )


def _gaussian_blocks(likelihood: GaussianLikelihood, free: np.ndarray, rng: np.random.Generator):
    design = likelihood.design
    if design.held:
        raise EstimationError(
            "covariates with a part at each level are not drawn from the model", remedy="Use kind='ordinary'."
        )
    y = np.empty((design.n_rows, len(likelihood.responses)))
    for g, (graph, here) in enumerate(zip(likelihood.graphs, likelihood.at(free))):
        rows = np.flatnonzero(design.group_of == g)
        columns = [design.column(name)[rows] for name in likelihood.covariates[g]]
        columns += [np.ones(len(rows))] * likelihood.has_means
        y[rows] = (np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))) @ here.Pi.T
        S = graph.matrices(here.parameters)[1]
        E = here.E[: graph.p]
        for level, part in enumerate(E @ S @ E.T):
            values, vectors = np.linalg.eigh(part)
            half = vectors * np.sqrt(np.maximum(values, 0.0))
            e = rng.standard_normal((len(design.first_row[level]), graph.p)) @ half.T
            y[rows] += e[design.codes[level][rows]]
    for block in design.blocks:
        drawn = y[block.rows, likelihood.responses.index(block.response.name)]
        yield replace(block, y=drawn + block.offset)


def _drawn_blocks(likelihood: Likelihood, free: np.ndarray, rng: np.random.Generator):
    predictor: Predictor = likelihood.predictor
    return drawn_given(predictor, predictor.working.inner(np.asarray(free, dtype=float)), rng)


def drawn_given(
    predictor: Predictor, inner: np.ndarray, rng: np.random.Generator, u: dict[int, np.ndarray] | None = None
):
    """The blocks of a predictor's design with answers drawn given the coordinates of latent variables.

    Parameters
    ----------
    predictor : Predictor
        With identical units kept apart.
    inner : (q,) array
    rng : Generator
    u : dict of latent variable (its place in ``eta``) to (units,) array, optional
        By default drawn from the prior.
    """
    design, model = predictor.design, predictor.model
    _no_choices(design)
    state = predictor.before_whitening(inner)
    if u is None:
        u = {k: rng.standard_normal(len(design.first_row[model.eta_level[k]])) for k in predictor.tree.order}
    residual = predictor.residuals_drawn(state, rng)
    # the answers of an ordered response are blocks of their own: together again, drawn, and parted
    parts: dict[tuple[int, str], list[tuple[CellBlock, np.ndarray, np.ndarray]]] = {}
    for b in predictor.blocks:
        if b.source.repeats:
            continue
        block = _picked(b.source, b.keep, b.source.rows[b.keep])
        nu = state.lin[b.cells, 0].copy()
        for depth, k in enumerate(b.path):
            nu += state.D[b.cells, depth] * u[k][design.codes[model.eta_level[k]][block.rows]]
        if b.whitened:
            yield replace(block, y=nu + residual[b.cells])
            continue
        own = predictor.own_of(b, state)
        parts.setdefault((block.group, block.response.name), []).append((block, nu, own))
    for found in parts.values():
        joined = {
            field: np.concatenate([getattr(block, field) for block, *_ in found])
            for field in ("rows", "y", "trials", "offset")
        }
        nu, own = (np.concatenate([part[k] for part in found]) for k in (1, 2))
        order = np.argsort(joined["rows"], kind="stable")
        whole = replace(found[0][0], **{field: array[order] for field, array in joined.items()})
        family = whole.response.family
        y = family.simulate(nu[order], own[order], whole.trials, rng)
        whole = replace(whole, y=y)
        for category, around, mine, repeats in parted(whole.response, y, np.arange(len(y))):
            if len(mine):
                drawn = _picked(whole, mine, whole.rows[mine])
                yield replace(drawn, category=category, around=around, repeats=repeats)
