"""Answers drawn from a model at given parameters, causes before their effects.

    u ~ N(0, I), or u | y;      y_j ~ f(ν_j(x, u, y_causes))     for responses in the order in which they cause others
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semgllamm.data.design import CellBlock, Design
from semgllamm.errors import ModelError
from semgllamm.estimation.conditional import Engine
from semgllamm.estimation.drawing import drawn_given
from semgllamm.estimation.predictor import Predictor
from semgllamm.model.matrices import Model

__all__ = ["answers_drawn", "coordinates_drawn"]

ROUNDING = 1e-12


def answers_drawn(
    predictor: Predictor, inner: np.ndarray, rng: np.random.Generator, u: dict[int, np.ndarray] | None = None
) -> list[CellBlock]:
    """The blocks of the predictor's design with all answers drawn.

    Parameters
    ----------
    predictor : Predictor
    inner : (q,) array
    rng : Generator
    u : dict, optional
        Coordinates by latent variable, else drawn from the prior.

    Raises
    ------
    ModelError
        If responses cause each other.
    """
    if predictor.feedback:
        raise ModelError("responses that cause each other are drawn in closed form only")
    design, model = predictor.design, predictor.model
    if u is None:
        u = {k: rng.standard_normal(len(design.first_row[model.eta_level[k]])) for k in predictor.tree.order}
    layers = _layers(model)
    # each layer's answers are draws of their own, whatever the others' took from the generator
    streams = rng.spawn(len(layers))
    out = []
    for layer, stream in zip(layers, streams):
        here = predictor if len(layers) == 1 else Predictor(
            predictor._whole, predictor.working, predictor.tree, design, collapse=False
        )
        drawn = [block for block in drawn_given(here, inner, stream, u) if block.response.name in layer]
        out += drawn
        if len(layers) > 1:
            design = replace(design, columns={**design.columns, **_as_columns(model, design, drawn)})
    return out


def _causes(model: Model) -> dict[str, set[str]]:
    """The responses that each response depends on through covariates."""
    names = {r.name for r in model.responses}
    latents: dict[str, set[str]] = {name: set() for name in model.eta}
    out: dict[str, set[str]] = {r.name: set() for r in model.responses}
    for group in model.groups:
        for cell in (*group.beta, *group.auxiliary()):
            out[cell.row] |= names & set(cell.column.split(":"))
        for cell in group.Gamma:
            latents[cell.row] |= names & set(cell.column.split(":"))
        for cell in (*group.B, *group.Lambda):
            if cell.times:
                (latents if cell.row in latents else out)[cell.row] |= names & set(cell.times.split(":"))
    for _ in model.eta:
        for group in model.groups:
            for cell in group.B:
                latents[cell.row] |= latents[cell.column]
    for group in model.groups:
        for cell in group.Lambda:
            out[cell.row] |= latents[cell.column]
    return out


def _layers(model: Model) -> list[set[str]]:
    causes = _causes(model)
    done: set[str] = set()
    layers = []
    while len(done) < len(causes):
        layer = {name for name, of in causes.items() if name not in done and of <= done}
        if not layer:
            raise ModelError("responses that cause each other are drawn in closed form only")
        layers.append(layer)
        done |= layer
    return layers


def _as_columns(model: Model, design: Design, blocks: list[CellBlock]) -> dict[str, np.ndarray]:
    """Drawn answers as covariates, at all rows of their units; the data's where none is drawn."""
    out: dict[str, np.ndarray] = {}
    for block in blocks:
        name, level = block.response.name, block.response.level
        if name not in design.columns:
            continue
        column = out.setdefault(name, design.columns[name].copy())
        code = design.codes[level]
        by_unit = np.full(len(design.first_row[level]), np.nan)
        by_unit[code[block.rows]] = block.y
        found = by_unit[code]
        column[~np.isnan(found)] = found[~np.isnan(found)]
    return out


def coordinates_drawn(engine: Engine, inner: np.ndarray, rng: np.random.Generator) -> dict[int, np.ndarray]:
    """Coordinates of all units drawn from their posterior, by its means and covariances along each path.

    u_n given its ancestors a is normal, with mean E u_n + c'C⁻¹(a − E a) and variance var u_n − c'C⁻¹c.

    Raises
    ------
    ModelError
        Where the parameters leave the model without a density.
    """
    predictor = engine.predictor
    program, model = predictor.program, predictor.model
    posterior = engine.posterior(inner)
    out: dict[int, np.ndarray] = {}
    of_unit: dict[int, np.ndarray] = {}
    for k in predictor.tree.order:
        path = predictor.tree.path(k)
        rows = predictor.node_rows[k]
        node = program.representative[predictor.node_start[k] + np.arange(len(rows))]
        drawn = np.empty(len(rows))
        above = [out[a][of_unit[a][rows]] for a in path[:-1]]
        for lo in range(0, len(rows), 1000):
            part = slice(lo, lo + 1000)
            w, u = posterior.path(node[part])
            mean = np.einsum("ns,ans->na", w, u)
            e = u - mean.T[:, :, None]
            covariance = np.einsum("ns,ans,bns->nab", w, e, e)
            center, variance = mean[:, -1], covariance[:, -1, -1]
            if above:
                a = np.stack([x[part] for x in above], axis=1)
                C = covariance[:, :-1, :-1] + ROUNDING * np.eye(len(above))
                slope = np.linalg.solve(C, covariance[:, :-1, -1:])[..., 0]
                center = center + (slope * (a - mean[:, :-1])).sum(axis=1)
                variance = variance - (slope * covariance[:, :-1, -1]).sum(axis=1)
            drawn[part] = center + np.sqrt(np.maximum(variance, 0.0)) * rng.standard_normal(len(center))
        out[k] = drawn
        of_unit[k] = predictor.design.codes[model.eta_level[k]]
    return out

