"""What completion works on: the statements of one group and, under lavaan's headers, one level, with all they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from semgllamm.diagram.blocks import cell_of, paths_of_group
from semgllamm.diagram.classes import Pattern, paths_of_pattern, patterns
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.families import family_in, has_thresholds, is_linear
from semgllamm.diagram.parts import Block, FamilySpec, Parameter, Path
from semgllamm.diagram.random_terms import random_paths, slopes
from semgllamm.diagram.roles import Roles
from semgllamm.diagram.switches import Switches

__all__ = ["Part", "Setting", "columns_of_path"]


@dataclass(frozen=True)
class Setting:
    """What all parts of one completion share."""

    diagram: PathDiagram
    switches: Switches
    groups: tuple[str, ...]
    categories: Mapping[str, int]
    response_levels: Mapping[str, str | None]
    fitted: bool = False

    def parts(self) -> Iterator[tuple[Part, ...]]:
        """For each group, and under lavaan's headers each level in it, the parts of the patterns of classes."""
        for number, label in enumerate(self.groups, start=1):
            paths = paths_of_group(self.diagram, label)
            levels: dict[str | None, None] = {None: None}
            if self.diagram.style == "lavaan":
                levels = dict.fromkeys(self.diagram.level_of(path.block) for path in paths) or levels
            for level in levels:
                yield tuple(
                    Part(self, number, level, paths_of_pattern(paths, pattern, self.diagram, self._cell), pattern)
                    for pattern in patterns(self.diagram)
                )

    def _cell(self, path: Path) -> tuple:
        return cell_of(path, self.diagram)

    @cached_property
    def latents(self) -> frozenset[str]:
        return frozenset((*self.diagram.latent_names, *self.diagram.categorical_names))

    @cached_property
    def has_means(self) -> bool:
        """Whether there are rows for intercepts and means: asked for, written, or needed."""
        diagram, switches = self.diagram, self.switches
        if any(path.op == "~1" for path in diagram.paths):
            return True
        if switches.meanstructure is not None:
            return switches.meanstructure
        return bool(
            len(self.groups) > 1
            or diagram.random_terms
            or any(path.block.level is not None for path in diagram.paths)
            or any(not is_linear(choice.family) for choice in diagram.families)
            or diagram.predictors
            or diagram.latents
            or {"intercepts", "means"}.intersection(switches.group_equal)
            # lavaan's table has them for effect coding, its fits do not
            or (not self.fitted and "intercepts" in switches.effect_coding)
        )

    def level(self, name: str) -> str | None:
        """The level at which a variable varies."""
        if name in self.diagram.latent_names:
            return self.diagram.latent_level(name)
        if name in self.response_levels:
            return self.response_levels[name]
        return self.diagram.response_level(name)


@dataclass(frozen=True)
class Part:
    """What is completed at once: the statements of one group and pattern of classes, and of one level where lavaan's
    headers part them."""

    setting: Setting
    group: int
    level: str | None
    group_paths: tuple[Path, ...]
    pattern: Pattern = ()

    @property
    def switches(self) -> Switches:
        return self.setting.switches

    @property
    def diagram(self) -> PathDiagram:
        return self.setting.diagram

    @property
    def by_level(self) -> bool:
        """Whether lavaan's headers part the levels."""
        return self.diagram.style == "lavaan"

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        if not self.by_level:
            return self.group_paths
        return tuple(path for path in self.group_paths if self.holds(self.diagram.level_of(path.block)))

    def holds(self, level: str | None) -> bool:
        """Whether what stands at a level belongs to this part."""
        return not self.by_level or level == self.level

    @cached_property
    def roles(self) -> Roles:
        random = [path for path in random_paths(self.diagram) if self.holds(path.block.level)]
        return self._roles((*self.paths, *random))

    def _roles(self, paths: Iterable[Path]) -> Roles:
        setting = self.setting
        columns = [replace(path, rhs=rhs) for path in paths for rhs in columns_of_path(path, setting)]
        others = [path for path in self.group_paths if not self.holds(self.diagram.level_of(path.block))]
        explained = [path.rhs if path.op == "=~" else path.lhs for path in others if path.op in ("~", "=~")]
        return Roles(tuple(columns), setting.latents, self.diagram.categorical_names, frozenset(explained))

    @cached_property
    def markers(self) -> dict[str, str]:
        """The first measure of each factor; none for a rotated one."""
        first: dict[str, Path] = {}
        for path in self.paths:
            if path.op == "=~":
                first.setdefault(path.lhs, path)
        return {factor: path.rhs for factor, path in first.items() if factor in self.roles.latents and not path.efa}

    @cached_property
    def single_measures(self) -> frozenset[tuple[str, str | None]]:
        """The only measures of their factors, that measure nothing else at the factor's level, with that level."""
        measures: dict[tuple[str, str | None], list[str]] = {}
        factors: dict[tuple[str, str | None], list[str]] = {}
        for path in self.paths:
            if path.op == "=~":
                level = self.home(path.lhs)
                measures.setdefault((path.lhs, level), []).append(path.rhs)
                factors.setdefault((path.rhs, level), []).append(path.lhs)
        return frozenset(
            (name, level)
            for (name, level), causes in factors.items()
            if len(causes) == 1 and len(measures[causes[0], level]) == 1
        )

    @cached_property
    def slopes(self) -> frozenset[str]:
        """Latent variables of ``rv()``: mean and variance are free under every switch."""
        return frozenset(slopes(self.diagram))

    @cached_property
    def above(self) -> frozenset[str]:
        """Observed variables that a higher level has too: under lavaan's headers their means are there."""
        if not self.by_level or self.level is not None:
            return frozenset()
        higher = tuple(path for path in self.group_paths if self.diagram.level_of(path.block) is not None)
        return frozenset(self._roles(higher).observed)

    def in_group(self, block: Block) -> bool:
        """Whether what stands in a block belongs to the group of this part."""
        return block.group is None or str(block.group) == str(self.setting.groups[self.group - 1])

    def home(self, name: str) -> str | None:
        """The level of a row that completion adds for `name`."""
        return self.level if self.by_level else self.setting.level(name)

    def family(self, name: str) -> FamilySpec:
        return family_in(self.diagram, name)

    @cached_property
    def random_lefts(self) -> frozenset[str]:
        """Variables with a random term of their own."""
        return frozenset(term.lhs for term in self.diagram.random_terms)

    @cached_property
    def ordinal(self) -> tuple[str, ...]:
        return tuple(name for name in self.roles.explained if has_thresholds(self.family(name)))

    @cached_property
    def scaled(self) -> tuple[str, ...]:
        """Ordinal responses with the rows of lavaan's latent response: scale, variance and intercept, all fixed."""
        if self.switches.as_fitted:
            return ()
        return tuple(name for name in self.ordinal if self._is_probit(self.family(name)))

    @staticmethod
    def _is_probit(family: FamilySpec) -> bool:
        return (family.name, family.link) == ("ordinal", "probit")

    def row(self, lhs: str, op: str, rhs: str = "", source: str = "default", **more) -> Parameter:
        return Parameter(lhs, op, rhs, group=self.group, level=self.home(lhs), source=source, **more)


def columns_of_path(path: Path, setting: Setting) -> tuple[str, ...]:
    """The right-hand sides that a path stands for; a latent variable comes first in a product."""
    if path.op not in ("~", "<~"):
        return (path.rhs,)
    if path.rhs in setting.latents:
        return (path.rhs,)
    factors = sorted(path.rhs.split(":"), key=lambda name: name not in setting.latents)
    return setting.diagram.columns_of(":".join(factors))
