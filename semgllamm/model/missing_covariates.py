"""Missing covariates that have a model: where x is missing it is a latent variable, where it is seen a datum.

    x = γ'z + ε,      y ~ β x + …      becomes      η_x = γ'z + ζ,  var ζ = var ε,      y ~ β η_x + …

in the rows without x, which get matrices of their own with the same parameters: β stands in Λ or B, γ in Γ, the
loadings of x in B, its residual variance in Ψ (Skrondal and Rabe-Hesketh 2004, section 4.2.3). The density of x counts
where it is seen. A binary or ordinal x is summed over, Σ_x f(x | z) f(y | x), as the classes of a mixture are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from semgllamm.errors import ModelError
from semgllamm.model.matrices import Cell, ClassVariable, Matrices, Model

__all__ = ["integrable", "latent_of", "summable", "with_missing_covariates", "with_summed_covariates"]

MOST_PATTERNS = 64  # of values of missing covariates


def latent_of(name: str) -> str:
    """What a covariate is called where it is missing."""
    return f"{name}@missing"


def integrable(model: Model) -> tuple[str, ...]:
    """The Gaussian responses of rows that predict others, and may be integrated out where they are missing.

    Those that cause themselves by way of others have no equation of their own to be integrated out by.
    """
    effects = {c.column for g in model.groups for c in (*g.beta, *g.Gamma)}
    causes: dict[str, set[str]] = {}
    for cell in (c for g in model.groups for c in g.beta):
        causes.setdefault(cell.row, set()).add(cell.column)

    def causes_itself(name: str) -> bool:
        found, todo = set(), set(causes.get(name, ()))
        while todo:
            found |= todo
            todo = {cause for one in todo for cause in causes.get(one, ())} - found
        return name in found

    return tuple(
        r.name for r in model.responses
        if r.name in effects and r.level == 0 and (r.family.name, r.family.link) == ("gaussian", "identity")
        and not causes_itself(r.name)
    )  # fmt: skip


def with_missing_covariates(model: Model, patterns: Sequence[frozenset[str]]) -> Model:
    """The model with a set of matrices for each group and pattern of missing covariates, patterns changing fastest.

    Raises
    ------
    ModelError
        If a missing covariate is part of a product, a dispersion or a threshold, or its residual covaries.
    """
    names = sorted(frozenset().union(*patterns))
    groups = tuple(_where_missing(group, pattern) for group in model.groups for pattern in patterns)
    return replace(
        model, groups=groups, eta=(*model.eta, *map(latent_of, names)),
        eta_level=(*model.eta_level, *(0 for _ in names)), hidden=model.hidden | frozenset(map(latent_of, names)),
        holes=tuple(patterns),
    )  # fmt: skip


def _where_missing(group: Matrices, missing: frozenset[str]) -> Matrices:
    if not missing:
        return group
    _refuse_other_uses(group, missing)
    # cells of x's own equation, and those of its effects
    beta = [c for c in group.beta if c.row not in missing and c.column not in missing]
    Gamma = [replace(c, row=latent_of(c.row)) for c in group.beta if c.row in missing and c.column not in missing]
    Gamma += [c for c in group.Gamma if c.column not in missing]
    B = [replace(c, row=latent_of(c.row)) for c in group.Lambda if c.row in missing]
    B += [replace(c, column=latent_of(c.column)) for c in group.Gamma if c.column in missing]
    B += [
        replace(c, row=latent_of(c.row), column=latent_of(c.column))
        for c in group.beta if c.row in missing and c.column in missing
    ]  # fmt: skip
    Lambda = [c for c in group.Lambda if c.row not in missing]
    Lambda += [
        replace(c, column=latent_of(c.column)) for c in group.beta if c.column in missing and c.row not in missing
    ]
    Psi = [replace(c, row=latent_of(c.row), column=latent_of(c.column)) for c in group.Theta if c.row in missing]
    Theta = [c for c in group.Theta if c.row not in missing]
    return replace(
        group, beta=tuple(beta), Gamma=tuple(Gamma), B=(*group.B, *B), Lambda=tuple(Lambda), Psi=(*group.Psi, *Psi),
        Theta=tuple(Theta),
    )  # fmt: skip


def _refuse_other_uses(group: Matrices, missing: frozenset[str]) -> None:
    def parts(cell: Cell) -> set[str]:
        return {*cell.column.split(":"), *(cell.times or "").split(":")}

    for cell in (*group.beta, *group.Gamma, *group.Lambda, *group.B, *group.auxiliary(), *group.kappa):
        alone = cell in (*group.beta, *group.Gamma) and cell.column in missing
        if parts(cell) & missing and not alone:
            name = next(iter(parts(cell) & missing))
            raise ModelError(
                f"'{name}' is missing in some rows and stands in a product, a dispersion or a threshold, where it "
                "cannot be integrated out",
                remedy=f"Leave rows without '{name}' out, or let it act alone.",
            )  # fmt: skip
    for cell in (*group.Theta, *group.Omega):
        if (cell.row in missing or cell.column in missing) and cell.row != cell.column:
            name = cell.row if cell.row in missing else cell.column
            raise ModelError(
                f"'{name}' is missing in some rows, and its residual covaries with '{cell.column}'",
                remedy=f"Let one of them cause the other: {cell.column} ~ {name}.",
            )


def summable(model: Model) -> tuple[str, ...]:
    """The binary and ordinal responses of rows that predict others, and may be summed over where they are missing."""
    effects = {c.column for g in model.groups for c in (*g.beta, *g.Gamma)}
    effects |= {part for g in model.groups for c in (*g.beta, *g.Gamma) for part in c.column.split(":")}
    return tuple(
        r.name for r in model.responses
        if r.name in effects and r.level == 0 and r.family.name in ("bernoulli", "ordinal")
    )  # fmt: skip


def with_summed_covariates(model: Model, names: Sequence[str]) -> Model:
    """The model in which missing covariates are classes of their rows: one pattern for each combination of values.

    In a pattern the rows without x have its value, and its density is that of the response x.
    """
    classes = tuple(
        ClassVariable(name, tuple(map(str, range(max(model.response(name).categories, 2)))), summed=True)
        for name in names
    )
    patterns = tuple(product(*(range(len(variable.classes)) for variable in classes)))
    if len(patterns) > MOST_PATTERNS:
        raise ModelError(
            f"the missing values of {', '.join(names)} have {len(patterns)} combinations, more than {MOST_PATTERNS}",
            remedy="Leave rows out that lack one of them.",
        )
    groups = tuple(group for group in model.groups for _ in patterns)
    return replace(model, groups=groups, classes=classes, patterns=patterns)
