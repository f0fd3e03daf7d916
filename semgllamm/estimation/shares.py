"""Residuals that covary with disturbances: the part that the disturbances explain, and the rest.

With ζ = C v, v ~ N(0, I), and ω the covariances of a Gaussian response's residual e with ζ, the regression of e on ζ is

    e = g'v + e*,      g = C⁻¹ω,      cov(e_1*, e_2*) = θ_12 − g_1'g_2

(Anderson 2003, section 2.5). So g'v, the residual's share in the disturbances, is one more variable on which the
response has the loading 1: it has no disturbance of its own, and g is its row of C.
"""

from __future__ import annotations

from dataclasses import replace

from semgllamm.model.matrices import Cell, Matrices, Model

__all__ = ["coupled_responses", "share_of", "with_shares"]


def share_of(response: str) -> str:
    """Name of the share that a response's residual has in the disturbances."""
    return f"{response}~"


def with_shares(model: Model) -> tuple[Model, dict[str, frozenset[str]]]:
    """The model with a variable for each residual's share.

    Returns
    -------
    model : Model
        The shares stand last among its latent variables, and none varies by itself.
    causes : dict
        The latent variables that each share is a function of: those of the blocks of Ψ that the residual covaries
        with, and their causes (ζ = (I − B)η − …).
    """
    causes: dict[str, set[str]] = {}
    for group in model.groups:
        partners = _partners(group)
        for cell in group.Omega:
            block = partners[cell.column]
            found = causes.setdefault(share_of(cell.row), set())
            found |= block | {c.column for c in group.B if c.row in block and (c.is_free or c.value != 0.0)}
    if not causes:
        return model, {}
    level = {share_of(response.name): response.level for response in model.responses}
    groups = []
    for group in model.groups:
        rows = dict.fromkeys(cell.row for cell in group.Omega)
        groups.append(replace(group, Lambda=(*group.Lambda, *(Cell(row, share_of(row), value=1.0) for row in rows))))
    extended = replace(
        model, eta=(*model.eta, *causes), eta_level=(*model.eta_level, *(level[name] for name in causes)),
        groups=tuple(groups),
    )  # fmt: skip
    return extended, {name: frozenset(found) for name, found in causes.items()}


def coupled_responses(group: Matrices) -> list[set[str]]:
    """Responses whose residuals covary, given the disturbances, and so are whitened together.

    These are joined by cells of Θ, or by covariances with disturbances of one block of Ψ.
    """
    partners = _partners(group)
    sets = [{c.row, c.column} for c in group.Theta if c.row != c.column and (c.is_free or c.value != 0.0)]
    for cell in group.Omega:
        sets.append({c.row for c in group.Omega if c.column in partners[cell.column]})
    out: list[set[str]] = []
    for names in sets:
        apart = [other for other in out if not names & other]
        out = [*apart, names.union(*(other for other in out if names & other))]
    return out


def _partners(group: Matrices) -> dict[str, set[str]]:
    """The block of Ψ that each latent variable is in."""
    out = {c.row: {c.row} for c in group.Psi if c.row == c.column}
    for cell in group.Psi:
        if cell.row != cell.column and (cell.is_free or cell.value != 0.0):
            joined = out[cell.row] | out[cell.column]
            out |= dict.fromkeys(joined, joined)
    return out
