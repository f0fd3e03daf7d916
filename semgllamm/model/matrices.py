"""The GLLAMM of a path diagram: its matrices, cell by cell, with a constant or a parameter number in each.

    ν_i = x_i'β + o_i + Σ_m λ_m z_mi η_m,        η = Bη + Γw + α + ζ,   ζ^(l) ~ N(0, Ψ^(l)),
    Gaussian responses have residual covariances Θ, and covariances Ω of their residuals with ζ; ordered ones have
    thresholds κ + x'δ; other parameters of a family's own, log dispersions and logits of inflation and of asymptotes,
    are τ = z'α.

A categorical latent variable has classes of probability π_c = exp(v'ϱ_c) / Σ_d exp(v'ϱ_d), in each of which the
matrices may differ: there is one set of them for each pattern of classes.

(Skrondal & Rabe-Hesketh 2004, equations 4.1 to 4.3, with Muthén's intercepts written out.)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from semgllamm.responses.contract import Family

__all__ = ["Cell", "ClassVariable", "Matrices", "Model", "Response"]

FIXED = -1
OWN_MATRICES = {"dispersion": "alpha", "inflation": "rho"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: `row` and `column` by name, times a data column if any, and a parameter number or a constant."""

    row: str
    column: str
    number: int = FIXED
    value: float = 0.0
    times: str | None = None

    @property
    def is_free(self) -> bool:
        return self.number != FIXED

    def at(self, values: np.ndarray) -> float:
        """The cell's value given the vector of parameters."""
        return float(values[self.number]) if self.number != FIXED else self.value


@dataclass(frozen=True)
class Matrices:
    """The matrices of one group. ``beta`` holds intercepts in column "1", ``Gamma`` latent intercepts likewise;
    ``kappa`` has one row a response and columns t1, t2, …, the effects of covariates on them with `times`; ``Psi``
    and ``Theta`` hold their lower triangles; ``Omega`` has the covariance of a response's residual (row) with the
    disturbance of a latent variable (column); ``alpha`` holds the linear predictors of dispersions, ``rho`` those
    of inflations, ``guessing`` and ``ceiling`` those of asymptotes, by response and covariate; ``membership`` those
    of the logits of classes c[1], …, in the first pattern of classes alone; ``products`` has the coefficient of a
    product of two latent variables, `column` and `times`, in a response or a latent variable."""

    beta: tuple[Cell, ...] = ()
    Lambda: tuple[Cell, ...] = ()
    B: tuple[Cell, ...] = ()
    Gamma: tuple[Cell, ...] = ()
    Psi: tuple[Cell, ...] = ()
    Theta: tuple[Cell, ...] = ()
    Omega: tuple[Cell, ...] = ()
    kappa: tuple[Cell, ...] = ()
    alpha: tuple[Cell, ...] = ()
    rho: tuple[Cell, ...] = ()
    guessing: tuple[Cell, ...] = ()
    ceiling: tuple[Cell, ...] = ()
    membership: tuple[Cell, ...] = ()
    products: tuple[Cell, ...] = ()

    def own(self, kind: str) -> tuple[Cell, ...]:
        """The linear predictors of one kind: "dispersion", "inflation", "guessing" or "ceiling"."""
        return getattr(self, OWN_MATRICES.get(kind, kind))

    def auxiliary(self) -> tuple[Cell, ...]:
        """Those of every kind."""
        return (*self.alpha, *self.rho, *self.guessing, *self.ceiling)

    def thresholds(self, name: str) -> list[Cell]:
        """The thresholds of a response in their order, without the effects of covariates on them."""
        cells = (c for c in self.kappa if c.row == name and c.times is None)
        return sorted(cells, key=lambda c: int(c.column[1:]))

    def items(self):
        """(name, cells) of every matrix."""
        return [(name, getattr(self, name)) for name in self.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Response:
    """A response with its family, its level (index into the model's levels) and its number of categories.

    `answer` is what the linear predictors of an answer have in common: the response u for u[bus], the response itself
    in long form (choices, composite links); "" for all others.
    """

    name: str
    family: Family
    level: int = 0
    categories: int = 0
    answer: str = ""


@dataclass(frozen=True, slots=True)
class ClassVariable:
    """A categorical latent variable with its classes, its level (index into the model's levels), the column of known
    classes if there is one, and the latent variables of which its classes are the mass points; or a covariate that is
    `summed` over where it is missing, whose classes are its values."""

    name: str
    classes: tuple[str, ...]
    level: int = 0
    known: str | None = None
    masses_of: tuple[str, ...] = ()
    summed: bool = False


@dataclass(frozen=True)
class Model:
    """A lowered model.

    Attributes
    ----------
    levels : tuple of str
        Lowest first; the first is the level of the rows.
    responses : tuple of Response
    eta : tuple of str
        Latent variables, in the order of the diagram.
    eta_level : tuple of int
    groups : tuple of Matrices
        One a group, in it one for each pattern of missing covariates, and in that one for each pattern of classes.
    names : tuple of str
        One name a parameter number.
    rows : tuple of int
        The parameter number of each row of the completed diagram's table (−1 where fixed).
    classes : tuple of ClassVariable
    patterns : tuple of tuple of int
        The class of each of them, by number, in each pattern.
    holes : tuple of frozenset of str
        The covariates that are missing, and integrated out, in each pattern of them.
    together : frozenset of str
        The responses that are summed over classes at each point of the latent variables above these.
    """

    levels: tuple[str, ...]
    responses: tuple[Response, ...]
    eta: tuple[str, ...]
    eta_level: tuple[int, ...]
    groups: tuple[Matrices, ...]
    names: tuple[str, ...]
    rows: tuple[int, ...]
    group_labels: tuple[str, ...] = ("",)
    hidden: frozenset[str] = field(default_factory=frozenset)
    classes: tuple[ClassVariable, ...] = ()
    patterns: tuple[tuple[int, ...], ...] = ((),)
    holes: tuple[frozenset[str], ...] = (frozenset(),)
    together: frozenset[str] = frozenset()

    @property
    def n_parameters(self) -> int:
        return len(self.names)

    @property
    def n_groups(self) -> int:
        """Groups, whatever number of matrices each has."""
        return len(self.group_labels)

    def of_group(self, group: int) -> Matrices:
        """The matrices of a group (by number, from 0); the first of them, without missing covariates."""
        return self.groups[group * (len(self.groups) // self.n_groups)]

    def place(self, g: int) -> str:
        """Where the g-th matrices hold: the group, the classes or the missing covariates; "" if everywhere."""
        group, rest = divmod(g, len(self.groups) // self.n_groups)
        parts = [f"Group {group + 1} [{self.group_labels[group]}]"] if self.n_groups > 1 else []
        hole, rest = divmod(rest, len(self.patterns))
        if len(self.holes) > 1:
            missing = ", ".join(sorted(self.holes[hole]))
            some = "no covariate is integrated out" if self.classes else "no covariate is missing"
            parts.append(f"rows without {missing}" if missing else f"rows in which {some}")
        if self.classes:
            parts += [f"{v.name} = {v.classes[k]}" for v, k in zip(self.classes, self.patterns[rest])]
        return ", ".join(parts)

    @property
    def what_is_summed(self) -> str:
        """What sums over classes are over, in words: classes, or values of covariates."""
        summed = [f"'{variable.name}'" for variable in self.classes if variable.summed]
        return f"missing values of {', '.join(summed)}" if summed else "classes"

    def response(self, name: str) -> Response:
        return next(r for r in self.responses if r.name == name)

    def varies(self, latent: str) -> bool:
        """Whether the latent variable has a disturbance: a free or non-zero variance in some group."""
        return any(c.row == latent == c.column and (c.is_free or c.value != 0.0) for g in self.groups for c in g.Psi)
