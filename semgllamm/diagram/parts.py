"""The parts of a path diagram, as written (before completion) and as completed."""

from __future__ import annotations

from dataclasses import dataclass

from semgllamm.diagram.expressions import Expression
from semgllamm.errors import Span

__all__ = [
    "AuxiliaryPredictor",
    "Block",
    "ColumnRole",
    "Constraint",
    "Definition",
    "FamilyChoice",
    "FamilySpec",
    "LatentDeclaration",
    "Parameter",
    "Path",
    "RandomTerm",
]


@dataclass(frozen=True, slots=True)
class Block:
    """The address of a statement: the level, group and class that its header names.

    `level` is a cluster column (``@level(school)``), or for lavaan's headers the text after the colon
    (``level: 1``, ``level: between``); None is the lowest level. `style` is "at" or "lavaan".
    """

    level: str | None = None
    group: str | None = None
    klass: tuple[str, str] | None = None
    style: str = "at"


@dataclass(frozen=True, slots=True)
class Path:
    """One statement's term as written.

    `op` is one of ``=~ <~ ~ ~1 ~~ | ~*~``; an intercept has ``op="~1"`` and ``rhs=""``; a product term has
    ``rhs="a:b"``. Each modifier is None where not written, else a tuple with one entry per group (one
    entry is recycled): in `fixed` a number fixes, NaN frees (``NA*``) and None says nothing (a label stood there).
    """

    lhs: str
    op: str
    rhs: str
    block: Block = Block()
    fixed: tuple[float | None, ...] | None = None
    label: tuple[str | None, ...] | None = None
    start: tuple[float | None, ...] | None = None
    lower: tuple[float | None, ...] | None = None
    upper: tuple[float | None, ...] | None = None
    equal: tuple[str | None, ...] | None = None
    random_slope: str | None = None
    efa: str | None = None
    prior: str | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """``(1 + x | school)`` right of ``lhs ~``: `terms` holds "1" and covariate names ("x", "x1:x2").

    Nested bars are expanded when built: ``(1 | school/class)`` gives one term for school and one for class.
    `independent` is True for ``||``.
    """

    lhs: str
    terms: tuple[str, ...]
    cluster: str
    independent: bool = False
    block: Block = Block()
    span: Span | None = None
    # the clusters above this one that its text names: ("school",) for the class of (1 | school/class)
    within: tuple[str, ...] = ()
    # the nominal response that was written, where the left side is one of its linear predictors
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """``name := expression``."""

    name: str
    expression: Expression
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """``left op right`` with op one of ``== < >``."""

    left: Expression
    op: str
    right: Expression
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class FamilySpec:
    """A family as named: ``bernoulli(probit)``, ``censored(lower=0)``; `link` None means the family's default."""

    name: str
    link: str | None = None
    options: tuple[tuple[str, str | float], ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class FamilyChoice:
    """``@family(response, family)``, one per response."""

    response: str
    family: FamilySpec
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class LatentDeclaration:
    """``@latent(c, classes(3), known=col)`` or ``@latent(a + b, npml(3))``.

    `kind` is "classes" or "npml"; `classes` are the class names ("1".."k" when only a number was given); `count` is the
    number of classes or mass points (None for a bare ``npml``).
    """

    names: tuple[str, ...]
    kind: str
    count: int | None = None
    classes: tuple[str, ...] = ()
    known: str | None = None
    block: Block = Block()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class AuxiliaryPredictor:
    """A linear predictor of something other than the mean: ``@dispersion(y ~ 1 + z)`` and its kin.

    `kind` is "dispersion", "thresholds", "inflation", "guessing" or "ceiling"; `paths` are its terms, `op` "~" or "~1".
    Completed, its terms are rows of the parameter table with the operators ``@dispersion~`` and ``@dispersion~1``.
    """

    kind: str
    response: str
    paths: tuple[Path, ...]
    block: Block = Block()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class ColumnRole:
    """A column with a job: ``@offset(y, log_t)``, ``@exposure``, ``@trials``, ``@weight``, ``@frequency``, choices.

    `target` is the response (or the level of a weight, or of units that are seen or not); `column` the data column; a
    number of trials may be given as `number`. For ``@alternatives`` the options hold case= and alternative=, for
    ``@composite`` case= and weight=.
    """

    kind: str
    target: str
    column: str | None = None
    number: float | None = None
    options: tuple[tuple[str, str], ...] = ()
    block: Block = Block()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the completed parameter table: a cell of one group and level, free or fixed.

    `fixed` is the value of a fixed cell, None for a free one; `exogenous` marks the sample moments of fixed covariates
    (lavaan's ``exo``), which are no parameters. Equal labels are one parameter. `source` says who put the row
    there: "user", "default" (completion), "random" (the sugar of a random term).
    """

    lhs: str
    op: str
    rhs: str
    group: int = 1
    level: str | None = None
    klass: tuple[tuple[str, str], ...] = ()
    free: bool = True
    fixed: float | None = None
    label: str | None = None
    start: float | None = None
    lower: float | None = None
    upper: float | None = None
    exogenous: bool = False
    source: str = "user"
    span: Span | None = None
    # what only some rows carry
    random_slope: str | None = None
    efa: str | None = None
    prior: str | None = None
    # places of the patterns of classes in which the row holds; None for all
    patterns: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        """lhs op rhs without blanks, as in ``f=~x2``; group and level suffixes are added by the table."""
        return f"{self.lhs}{self.op}{self.rhs}"

    @property
    def group_name(self) -> str:
        """The name with ``.g2`` in the second group."""
        return f"{self.lhs}{self.op}{self.rhs}.g{self.group}" if self.group > 1 else f"{self.lhs}{self.op}{self.rhs}"

    @property
    def class_suffix(self) -> str:
        """``.c1`` for what holds in class 1 of c, ``.c[never]`` for a class with a name of its own."""
        if not self.klass:
            return ""
        return "".join(f".{name}{k}" if k.isdigit() else f".{name}[{k}]" for name, k in self.klass)

    @property
    def full_name(self) -> str:
        """The name with the suffixes of group and class."""
        return self.group_name + self.class_suffix if self.klass else self.group_name
