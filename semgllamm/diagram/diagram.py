"""PathDiagram: what a model text says, before and after completion, and the questions one asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from semgllamm.diagram.parts import (
    AuxiliaryPredictor,
    Block,
    ColumnRole,
    Constraint,
    Definition,
    FamilyChoice,
    FamilySpec,
    LatentDeclaration,
    Parameter,
    Path,
    RandomTerm,
)

__all__ = ["PathDiagram"]

# what lavaan's users call their levels
LOWEST = ("1", "within", "row")
HIGHER = ("between",)


@dataclass(frozen=True)
class PathDiagram:
    """A path diagram.

    Attributes
    ----------
    text : str
        The model text, for messages that quote it.
    paths : tuple of Path
        As written, in order.
    parameters : tuple of Parameter
        Empty until `semgllamm.diagram.defaults.complete` has run; then one row per cell, group and level, in lavaan's
        order.
    style : str
        "lavaan" if the text uses ``level:``, ``group:`` headers, "at" if it uses ``@`` headers or none.
    """

    text: str = ""
    paths: tuple[Path, ...] = ()
    random_terms: tuple[RandomTerm, ...] = ()
    definitions: tuple[Definition, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    families: tuple[FamilyChoice, ...] = ()
    latents: tuple[LatentDeclaration, ...] = ()
    predictors: tuple[AuxiliaryPredictor, ...] = ()
    columns: tuple[ColumnRole, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    # what the data know: the categories, without the first, of categorical covariates; the clusters, lowest first
    dummies: tuple[tuple[str, tuple[str, ...]], ...] = ()
    levels: tuple[str, ...] = ()
    # latent variables of several levels with one name: what the higher one is called, and what it was written as
    renamed: tuple[tuple[str, str], ...] = ()
    style: str = "at"
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether completion has run."""
        return bool(self.parameters)

    # ------------------------------------------------------------------------------------------ levels

    def level_of(self, block: Block) -> str | None:
        """The level that a block's statements stand at; None is the lowest.

        Of lavaan's ``level:`` headers the lowest is called 1 or within, or is the first, if it has a name of its own.
        Completion replaces lavaan's words by cluster columns and leaves blocks of the style "at".
        """
        if block.style != "lavaan" or block.level is None:
            return block.level
        if block.level in LOWEST:
            return None
        named = not block.level.isdigit() and block.level not in HIGHER
        first = self._headers[0] == block.level and not any(level in LOWEST for level in self._headers)
        return None if named and first else block.level

    @cached_property
    def _headers(self) -> tuple[str, ...]:
        """The levels of the blocks, as they first appear."""
        return tuple(dict.fromkeys(path.block.level for path in self.paths if path.block.level is not None))

    @cached_property
    def clusters(self) -> tuple[str, ...]:
        """The cluster columns that the text names, in ``@level`` blocks and in random terms (the higher first)."""
        named = [] if self.style == "lavaan" else list(self._headers)
        for term in self.random_terms:
            named += [*term.within, term.cluster]
        named += [declared.block.level for declared in self.latents if declared.block.level is not None]
        return tuple(dict.fromkeys(named))

    # ------------------------------------------------------------------------------------------ latent variables

    @cached_property
    def categorical_names(self) -> tuple[str, ...]:
        """Latent variables declared with ``classes()``."""
        return tuple(name for declared in self.latents if declared.kind == "classes" for name in declared.names)

    @cached_property
    def latent_names(self) -> tuple[str, ...]:
        """Continuous latent variables, those of random terms and slopes included, in the order of the text."""
        return tuple(self._latent_levels)

    def latent_level(self, name: str) -> str | None:
        """The level at which a latent variable varies; None is the lowest.

        Under lavaan's headers a name may stand for one variable at each level: this is the lowest.
        """
        return self._latent_levels[name]

    @cached_property
    def _latent_levels(self) -> dict[str, str | None]:
        levels: dict[str, str | None] = {}
        for path in self.paths:
            if path.op in ("=~", "<~") and path.lhs not in self.categorical_names:
                level = self.level_of(path.block)
                levels[path.lhs] = None if level is None else levels.get(path.lhs, level)
        for declared in self.latents:
            if declared.kind != "classes":
                for name in declared.names:
                    levels.setdefault(name, self.level_of(declared.block))
        for path in self.paths:
            if path.random_slope is not None and path.random_slope not in levels:
                levels[path.random_slope] = self._slope_level(path.random_slope)
        for term, names in self.random_latents:
            levels.update({name: term.cluster for _, name in names})
        return levels

    def _slope_level(self, name: str) -> str | None:
        """Where ``rv("s")`` varies: at the level of the block that names s, else at the only higher level."""
        for path in self.paths:
            level = self.level_of(path.block)
            if level is not None and name in (path.lhs, *path.rhs.split(":")):
                return level
        higher = [level for level in self._headers if self.level_of(Block(level=level, style=self.style)) is not None]
        higher = tuple(dict.fromkeys((*higher, *self.clusters)))
        return higher[0] if len(higher) == 1 else None

    @cached_property
    def random_latents(self) -> tuple[tuple[RandomTerm, tuple[tuple[str, str], ...]], ...]:
        """Each random term with its parts: "1" or a covariate, and the name of the latent variable that multiplies it.

        ``(1 + x | school)`` has ``school.intercept`` and ``school.x``; where several left sides have terms for school,
        the left side comes first: ``y1.school.intercept``.
        """
        lefts: dict[str, set[str]] = {}
        for term in self.random_terms:
            lefts.setdefault(term.cluster, set()).add(term.lhs)

        def name(term: RandomTerm, part: str) -> str:
            short = f"{term.cluster}.{'intercept' if part == '1' else part.replace(':', '.')}"
            return short if len(lefts[term.cluster]) == 1 else f"{term.lhs}.{short}"

        return tuple(
            (term, tuple((column, name(term, column)) for part in term.terms for column in self.columns_of(part)))
            for term in self.random_terms
        )

    def columns_of(self, term: str) -> tuple[str, ...]:
        """The columns that a term stands for: ``site[b]:x``, ``site[c]:x`` for ``site:x`` with a categorical site."""
        levels = dict(self.dummies)
        columns = [""]
        for factor in term.split(":"):
            names = [f"{factor}[{level}]" for level in levels[factor]] if factor in levels else [factor]
            columns = [f"{left}:{name}" if left else name for left in columns for name in names]
        return tuple(columns)

    # ------------------------------------------------------------------------------------------ observed variables

    @cached_property
    def responses(self) -> tuple[str, ...]:
        """Observed variables with a density: measures, left of ``~``, in ``~~``, with an intercept or thresholds."""
        paths = self.paths
        named = [path.rhs for path in paths if path.op == "=~"]
        named += [path.lhs for path in paths if path.op == "~"]
        named += [term.lhs for term in self.random_terms if term.answer not in self.categorical_names]
        for path in paths:
            if path.op == "~~":
                named += [path.lhs, path.rhs]
            elif path.op in ("~1", "|", "~*~"):
                named.append(path.lhs)
        named += [choice.response for choice in self.families]
        named += [predictor.response for predictor in self.predictors]
        return tuple(name for name in dict.fromkeys(named) if name and not self._is_latent(name))

    @cached_property
    def covariates(self) -> tuple[str, ...]:
        """Columns that stand only right of ``~`` or ``<~`` or in a random term; products are split into columns."""
        responses = set(self.responses)
        return tuple(name for name in self._predicting_columns() if name not in responses)

    def _predicting_columns(self) -> Iterator[str]:
        found: dict[str, None] = {}
        extra = [path for predictor in self.predictors for path in predictor.paths]
        for path in (*self.paths, *extra):
            if path.op in ("~", "<~"):
                found.update(dict.fromkeys((path.rhs,) if self._is_latent(path.rhs) else path.rhs.split(":")))
        for term in self.random_terms:
            found.update(dict.fromkeys(column for part in term.terms if part != "1" for column in part.split(":")))
        return (name for name in found if name and not self._is_latent(name))

    def _is_latent(self, name: str) -> bool:
        return name in self._latent_levels or name in self.categorical_names

    def response_level(self, name: str) -> str | None:
        """The lowest level at which statements name a response; the data may show that it varies below it."""
        return min(self._named_at.get(name, (None,)), key=self.height)

    @cached_property
    def parted_covariates(self) -> tuple[str, ...]:
        """Covariates that lavaan's headers name at several levels: each level means its part of them."""
        if self.style != "lavaan":
            return ()
        levels: dict[str, set[str | None]] = {}
        for path in self.paths:
            if path.op in ("~", "<~"):
                for name in path.rhs.split(":"):
                    levels.setdefault(name, set()).add(self.level_of(path.block))
        return tuple(name for name in self.covariates if len(levels.get(name, ())) > 1)

    @cached_property
    def _named_at(self) -> dict[str, set[str | None]]:
        """The levels of the statements that name each variable as an effect."""
        levels: dict[str, set[str | None]] = {}
        for path in self.paths:
            for name in self._spoken_of(path):
                levels.setdefault(name, set()).add(self.level_of(path.block))
        for term in self.random_terms:
            levels.setdefault(term.lhs, set()).add(self.level_of(term.block))
        return levels

    def height(self, level: str | None) -> int:
        """How far up a level stands: by the data, else by the nesting of random terms, then by order."""
        if level is None:
            return -1
        if level in self.levels:
            return self.levels.index(level)
        above = {cluster for term in self.random_terms if term.cluster == level for cluster in term.within}
        below = {term.cluster for term in self.random_terms if level in term.within}
        order = self.clusters or self._headers
        return len(order) * (1 + len(below) - len(above)) + (order.index(level) if level in order else 0)

    def is_above(self, level: str | None, other: str | None) -> bool:
        """Whether it is known that units of `level` hold units of `other`."""
        if level is None or other is None or {level, other} <= set(self.levels):
            return self.height(level) > self.height(other)
        return any(term.cluster == other and level in term.within for term in self.random_terms)

    @staticmethod
    def _spoken_of(path: Path) -> tuple[str, ...]:
        """The variables of a path that are its effects, not its causes."""
        if path.op == "=~":
            return (path.rhs,)
        return (path.lhs, path.rhs) if path.op == "~~" else (path.lhs,)

    @cached_property
    def with_thresholds(self) -> frozenset[str]:
        """Responses with written thresholds."""
        return frozenset(path.lhs for path in self.paths if path.op == "|")

    def family_of(self, response: str) -> FamilySpec | None:
        """The family that the text, or the call that completed the diagram, gives a response."""
        return self._family_by_response.get(response)

    @cached_property
    def _family_by_response(self) -> dict[str, FamilySpec]:
        return {choice.response: choice.family for choice in self.families}
