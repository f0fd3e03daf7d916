"""Completion: what a model means when the user says nothing, by lavaan's rules.

Every group, and under lavaan's headers every level, is completed by itself: the rows the user wrote, those of its
random terms, and those that completion adds come together; passes over them fix what the switches fix; the user's
modifiers have the last word. At the end, equal labels become one parameter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.equalities import effect_constraints, one_parameter_per_label
from semgllamm.diagram.families import family_in, has_residual, settle_families
from semgllamm.diagram.parts import FamilySpec, Parameter, Path
from semgllamm.diagram.random_terms import random_paths, random_rows, slopes, slopes_as_paths
from semgllamm.diagram.roles import Roles, pairs
from semgllamm.diagram.switches import Switches
from semgllamm.errors import ModelError

__all__ = ["complete"]


def complete(
    diagram: PathDiagram,
    like: str = "fit",
    *,
    n_groups: int = 1,
    group_labels: Sequence[str] | None = None,
    cluster: Sequence[str] = (),
    ordered: Iterable[str] = (),
    family: Mapping[str, str | FamilySpec] | str | FamilySpec | None = None,
    categories: Mapping[str, int] | None = None,
    dummies: Mapping[str, Sequence[str]] | None = None,
    response_levels: Mapping[str, str | None] | None = None,
    **switches,
) -> PathDiagram:
    """The diagram with one parameter row per cell, group and level.

    Parameters
    ----------
    diagram : PathDiagram
        As written.
    like : {"fit", "sem", "cfa", "growth", "lavaan"}
        The fitting function whose switches hold where none is given.
    n_groups : int
    group_labels : sequence of str, optional
        The groups in the order of the data; without them the order of the text's blocks.
    cluster : sequence of str
        Cluster columns, lowest first: the names of lavaan's ``level: 2`` and up.
    ordered : iterable of str
        Ordinal responses (probit).
    family : mapping of response to family, or one family for all, optional
        As in ``"bernoulli(logit)"``; for responses that the text gives none.
    categories : mapping of str to int, optional
        How many categories an ordinal response has; without it only written thresholds are there.
    dummies : mapping of str to sequence of str, optional
        For each categorical covariate its levels without the first; ``y ~ site`` becomes ``site[b]``, ``site[c]``.
    response_levels : mapping of str to str or None, optional
        The level at which the data have each response, where that is known.
    **switches
        See `semgllamm.diagram.switches.Switches`.

    Returns
    -------
    PathDiagram
        With `parameters`, with a family for each response that was given one, with lavaan's levels called by their
        cluster columns, and with the constraints of effect coding.

    Raises
    ------
    ModelError
    """
    chosen = Switches.of(like, switches)
    diagram = replace(_call_levels_by_cluster(diagram, tuple(cluster)), levels=tuple(cluster))
    if chosen.as_fitted and diagram.style == "lavaan":
        diagram = _told_apart(diagram)
    diagram = settle_families(diagram, (*ordered, *_ordinal_by_count(diagram, categories)), family)
    levels_of = {name: tuple(map(str, levels)) for name, levels in (dummies or {}).items()}
    diagram = slopes_as_paths(replace(diagram, dummies=tuple(levels_of.items())))
    labels = _group_labels(diagram, n_groups, group_labels)
    setting = Setting(diagram, chosen, labels, dict(categories or {}), dict(response_levels or {}))
    rows = [row for part in setting.parts() for row in _completed(part)]
    rows = one_parameter_per_label(rows, diagram, chosen)
    added = effect_constraints(rows, diagram, chosen)
    return replace(diagram, parameters=tuple(rows), constraints=(*diagram.constraints, *added))


# ---------------------------------------------------------------------------------------------- the parts to complete


@dataclass(frozen=True)
class Setting:
    """What all parts of one completion share."""

    diagram: PathDiagram
    switches: Switches
    groups: tuple[str, ...]
    categories: Mapping[str, int]
    response_levels: Mapping[str, str | None]

    def parts(self) -> Iterator[Part]:
        """One part for each group, under lavaan's headers one for each level in it."""
        for number, label in enumerate(self.groups, start=1):
            paths = _paths_of_group(self.diagram, label)
            if self.diagram.style != "lavaan":
                yield Part(self, number, None, paths)
                continue
            levels = dict.fromkeys(self.diagram.level_of(path.block) for path in paths)
            for level in levels or {None: None}:
                yield Part(self, number, level, paths)

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
            or any(not has_residual(choice.family) for choice in diagram.families)
            or {"intercepts", "means"}.intersection(switches.group_equal)
            or "intercepts" in switches.effect_coding
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
    """What is completed at once: the statements of one group, and of one level where lavaan's headers part them."""

    setting: Setting
    group: int
    level: str | None
    group_paths: tuple[Path, ...]

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
        columns = [replace(path, rhs=rhs) for path in paths for rhs in _columns(path, setting)]
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
        return tuple(name for name in self.roles.explained if self.family(name).name == "ordinal")

    @cached_property
    def scaled(self) -> tuple[str, ...]:
        """Ordinal responses with the rows of lavaan's latent response: scale, variance and intercept, all fixed."""
        if self.switches.as_fitted:
            return ()
        return tuple(name for name in self.ordinal if self.family(name).link == "probit")

    def row(self, lhs: str, op: str, rhs: str = "", source: str = "default", **more) -> Parameter:
        return Parameter(lhs, op, rhs, group=self.group, level=self.home(lhs), source=source, **more)


def _completed(part: Part) -> list[Parameter]:
    """The rows of one part."""
    _count_thresholds(part)
    written = _written_rows(part)
    random = [row for row in random_rows(part.diagram, part.group) if part.holds(row.level)]
    taken = {_key(row) for row in (*(row for row, _ in written), *random)}
    written_keys = {_key(row) for row, _ in written}
    random = [row for row in random if _key(row) not in written_keys]
    added = [row for row in _added_rows(part) if _key(row) not in taken]
    rows = [*(row for row, _ in written), *random, *added]
    for one_pass in PASSES:
        rows = [row if _is_settled(row, part) else one_pass(row, part) for row in rows]
    modified = [_with_modifiers(row, path, part) for row, (_, path) in zip(rows, written)]
    rows = _turned([*modified, *rows[len(modified) :]], part)
    return [row for row in rows if not _left_out(row, part)]


def _is_settled(row: Parameter, part: Part) -> bool:
    """Whether a row is as it is under every switch: those of random terms, mean and variance of a random slope."""
    return row.source == "random" or (row.lhs in part.slopes and row.op in ("~~", "~1"))


def _key(row: Parameter) -> tuple:
    """What a cell is: covariances have no direction."""
    ends = tuple(sorted((row.lhs, row.rhs))) if row.op == "~~" else (row.lhs, row.rhs)
    return row.op, ends, row.level


# ---------------------------------------------------------------------------------------------- rows


def _written_rows(part: Part) -> list[tuple[Parameter, Path]]:
    """A row for each term the user wrote, categorical covariates as their dummies."""
    rows = []
    for path in part.paths:
        level = _level_of_path(path, part)
        phantom = path.op == "=~" and not path.rhs
        for rhs in (path.lhs,) if phantom else _columns(path, part.setting):
            row = Parameter(
                path.lhs, path.op, rhs, group=part.group, level=level, klass=path.block.klass, span=path.span,
                free=not phantom, fixed=0.0 if phantom else None,
                random_slope=path.random_slope, efa=path.efa, prior=path.prior,
            )  # fmt: skip
            rows.append((row, path))
    return rows


def _count_thresholds(part: Part) -> None:
    """A response has one threshold less than categories."""
    for path in part.paths:
        count = part.setting.categories.get(path.lhs)
        if path.op == "|" and count is not None and int(path.rhs.removeprefix("t")) >= count:
            raise ModelError(
                f"'{path.lhs}' has {count} categories and so {count - 1} thresholds; {path.rhs} is one too many",
                text=part.diagram.text,
                span=path.span,
            )


def _level_of_path(path: Path, part: Part) -> str | None:
    """The level of its block for a (co)variance in a higher one; else that of the left side."""
    if part.by_level:
        return part.level
    own = part.setting.level(path.lhs)
    at = part.diagram.level_of(path.block)
    return own if path.op != "~~" or at is None else at


def _columns(path: Path, setting: Setting) -> tuple[str, ...]:
    """The right-hand sides that a path stands for; a latent variable comes first in a product."""
    if path.op not in ("~", "<~"):
        return (path.rhs,)
    if path.rhs in setting.latents:
        return (path.rhs,)
    factors = sorted(path.rhs.split(":"), key=lambda name: name not in setting.latents)
    return setting.diagram.columns_of(":".join(factors))


def _added_rows(part: Part) -> Iterator[Parameter]:
    """The cells that are there without being written, in lavaan's order."""
    roles = part.roles
    for name in part.ordinal:
        for number in range(1, part.setting.categories.get(name, 1)):
            yield part.row(name, "|", f"t{number}")
    for name in (*roles.explained, *roles.latents):
        if name in part.scaled or _varies(name, part):
            yield part.row(name, "~~", name)
    yield from _added_covariances(part)
    if not part.switches.as_fitted:
        for k, name in enumerate(roles.exogenous):
            for other in roles.exogenous[k:]:
                yield part.row(name, "~~", other, exogenous=part.switches.fixed_x)
    for name in part.scaled:
        yield part.row(name, "~*~", name)
    if part.setting.has_means:
        yield from _added_means(part)


def _varies(name: str, part: Part) -> bool:
    """Whether a variable has a (residual) variance; in a higher block only what is written is there, save its own."""
    return name in part.roles.latents or has_residual(part.family(name))


def _added_covariances(part: Part) -> Iterator[Parameter]:
    roles, switches = part.roles, part.switches
    if switches.auto_cov_lv_x:
        for first, second in pairs(roles.exogenous_latents):
            if part.home(first) == part.home(second):
                yield part.row(first, "~~", second)
    if switches.auto_cov_y:
        final = [name for name in roles.final if name not in part.random_lefts and _varies(name, part)]
        if not switches.as_fitted:
            final = [name for name in roles.final if name in final or name in part.scaled]
        final = [name for name in final if not _depends_on_classes(name, part)]
        for first, second in pairs(final):
            if part.home(first) == part.home(second):
                yield part.row(first, "~~", second)


def _depends_on_classes(name: str, part: Part) -> bool:
    """Whether a class, or a path that holds in one class only, points at a variable."""
    return any(
        path.lhs == name and (path.rhs in part.diagram.categorical_names or path.block.klass is not None)
        for path in part.group_paths
    )


def _added_means(part: Part) -> Iterator[Parameter]:
    roles = part.roles
    for name in roles.observed:
        if name in roles.exogenous:
            if not part.switches.as_fitted:
                yield part.row(name, "~1", exogenous=part.switches.fixed_x)
        elif part.family(name).name != "ordinal" or name in part.scaled:
            yield part.row(name, "~1")
    for name in roles.latents:
        yield part.row(name, "~1")


# ---------------------------------------------------------------------------------------------- passes
# Each looks at one row, as it stands before the user's modifiers, and frees or fixes it.


def _fix(row: Parameter, value: float | None) -> Parameter:
    return replace(row, free=False, fixed=value)


def _free(row: Parameter) -> Parameter:
    return replace(row, free=True, fixed=None)


def _is_added(row: Parameter) -> bool:
    return row.source == "default"


def _is_variance(row: Parameter) -> bool:
    return row.op == "~~" and row.lhs == row.rhs


def hold_thresholds(row: Parameter, part: Part) -> Parameter:
    """Without `auto_th`, thresholds that are not written are not estimated."""
    return _fix(row, None) if row.op == "|" and _is_added(row) and not part.switches.auto_th else row


def hold_variances(row: Parameter, part: Part) -> Parameter:
    """Without `auto_var` variances are 0, and that of a formative variable always."""
    held = not part.switches.auto_var or row.lhs in part.roles.formative
    return _fix(row, 0.0) if held and _is_variance(row) and _is_added(row) else row


def standardise_latents(row: Parameter, part: Part) -> Parameter:
    """`std_lv`: latent variances are 1, in the first group only where loadings are equal."""
    switches = part.switches
    if switches.std_lv and _is_variance(row) and row.lhs in part.roles.latents:
        later = part.group > 1 and "loadings" in switches.group_equal and "lv.variances" not in switches.group_equal
        return _free(row) if later and _is_added(row) else _fix(row, 1.0)
    return row


def mark_factors(row: Parameter, part: Part) -> Parameter:
    """`auto_fix_first`: the first loading of a factor sets its scale."""
    if row.op == "=~" and part.switches.auto_fix_first and part.markers.get(row.lhs) == row.rhs:
        return _fix(row, 1.0)
    return row


def drop_single_residuals(row: Parameter, part: Part) -> Parameter:
    """`auto_fix_single`: the only measure of a factor has no residual at the factor's level."""
    switches = part.switches
    if not (_is_variance(row) and _is_added(row) and switches.auto_var and switches.auto_fix_single):
        return row
    return _fix(row, 0.0) if (row.lhs, row.level) in part.single_measures else row


def make_orthogonal(row: Parameter, part: Part) -> Parameter:
    """`orthogonal`: covariances of latent variables that completion adds are 0."""
    if row.op != "~~" or row.lhs == row.rhs or not _is_added(row):
        return row
    roles, switches, ends = part.roles, part.switches, {row.lhs, row.rhs}
    regressed = set(roles.latents).intersection(roles.final)
    if (
        (switches.orthogonal and ends <= set(roles.latents))
        or (switches.orthogonal_x and ends <= set(roles.exogenous_latents))
        or (switches.orthogonal_y and ends <= regressed)
    ):
        return _fix(row, 0.0)
    return row


def settle_means(row: Parameter, part: Part) -> Parameter:
    """Intercepts are free or 0 by `int_ov_free` and `int_lv_free`; with a random term they are free."""
    if row.op != "~1" or not _is_added(row):
        return row
    switches, roles = part.switches, part.roles
    if row.lhs in roles.latents:
        freed = {"intercepts", "thresholds"}.intersection(switches.group_equal) and "means" not in switches.group_equal
        if switches.int_lv_free or (part.group > 1 and freed):
            return row
        return replace(row, start=0.0) if "intercepts" in switches.effect_coding else _fix(row, 0.0)
    if row.lhs in part.scaled:
        return _fix(row, 0.0)
    if row.lhs in part.random_lefts:
        return row
    return row if switches.int_ov_free else _fix(row, 0.0)


def hold_latent_responses(row: Parameter, part: Part) -> Parameter:
    """The scale and variance behind an ordinal response are 1, save where equal thresholds identify one of them."""
    if row.lhs not in part.scaled or row.lhs != row.rhs:
        return row
    switches = part.switches
    equal = part.group > 1 and "thresholds" in switches.group_equal
    if row.op == "~*~":
        if equal and switches.parameterization == "delta" and switches.auto_delta:
            return _free(row)
        return _fix(row, 1.0) if _is_added(row) else row
    if row.op == "~~":
        if equal and switches.parameterization == "theta":
            return _free(row)
        return _fix(row, 1.0) if _is_added(row) else row
    return row


def condition_on_covariates(row: Parameter, part: Part) -> Parameter:
    """Moments of exogenous covariates are those of the sample."""
    return _fix(row, None) if row.exogenous and _is_added(row) else row


def raise_means(row: Parameter, part: Part) -> Parameter:
    """Under lavaan's headers, a variable of both levels has its mean at the higher one."""
    return _fix(row, 0.0) if row.op == "~1" and row.lhs in part.above else row


PASSES = (
    hold_thresholds,
    hold_variances,
    standardise_latents,
    mark_factors,
    drop_single_residuals,
    make_orthogonal,
    settle_means,
    hold_latent_responses,
    condition_on_covariates,
    raise_means,
)


# ---------------------------------------------------------------------------------------------- what the user said


def _with_modifiers(row: Parameter, path: Path, part: Part) -> Parameter:
    """The row with the modifiers of its term, those of its group."""

    def said(entries: tuple | None):
        if entries is None or len(entries) == 1:
            return None if entries is None else entries[0]
        wanted = 1 if path.block.group is not None else len(part.setting.groups)
        if len(entries) != wanted:
            raise ModelError(
                f"This modifier has {len(entries)} entries for {wanted} group{'s' * (wanted > 1)}",
                text=part.diagram.text,
                span=path.span,
                remedy="Give one entry per group, or one for all.",
            )
        return entries[part.group - 1] if wanted > 1 else entries[0]

    value, start, label = said(path.fixed), said(path.start), said(path.label) or said(path.equal)
    if value is not None:
        row = _free(row) if math.isnan(value) else _fix(row, float(value))
    if start is not None and not math.isnan(start):
        row = replace(row, start=float(start)) if row.free else replace(row, fixed=float(start))
    row = replace(row, lower=said(path.lower), upper=said(path.upper)) if row.free else row
    return replace(row, label=label) if label else row


def _turned(rows: list[Parameter], part: Part) -> list[Parameter]:
    """A covariance is written in the order in which the block lists its variables, as lavaan does."""
    order = {name: place for place, name in enumerate((*part.roles.latents, *part.roles.observed))}

    def turned(row: Parameter) -> bool:
        return row.op == "~~" and order.get(row.lhs, -1) > order.get(row.rhs, len(order))

    return [replace(row, lhs=row.rhs, rhs=row.lhs) if turned(row) else row for row in rows]


def _left_out(row: Parameter, part: Part) -> bool:
    """Rows that lavaan shows and that say nothing to `fit`: no measures, a mean that is at another level."""
    if not part.switches.as_fitted:
        return False
    phantom = row.op == "=~" and row.lhs == row.rhs
    raised = row.op == "~1" and row.source == "default" and row.lhs in part.above
    return phantom or raised


# ---------------------------------------------------------------------------------------------- levels and groups


def _call_levels_by_cluster(diagram: PathDiagram, cluster: tuple[str, ...]) -> PathDiagram:
    """lavaan's levels get the names of their cluster columns, lowest first; the lowest level becomes None."""
    if diagram.style != "lavaan":
        return diagram
    levels = dict.fromkeys(diagram.level_of(path.block) for path in diagram.paths)
    higher = [level for level in levels if level is not None]
    if cluster and len(cluster) < len(higher):
        raise ModelError(
            f"The text has {len(higher) + 1} levels, cluster= names {len(cluster)} column{'s' * (len(cluster) > 1)}",
            remedy="Name one cluster column for each level above the first, lowest first.",
        )
    names = dict(zip(higher, cluster))

    def settled(path: Path) -> Path:
        level = diagram.level_of(path.block)
        return replace(path, block=replace(path.block, level=names.get(level, level), style="at"))

    return replace(diagram, paths=tuple(settled(path) for path in diagram.paths))


def _told_apart(diagram: PathDiagram) -> PathDiagram:
    """lavaan lets a latent variable of each level have the same name: the higher one is called ``school.f``."""
    levels: dict[str, set[str | None]] = {}
    for path in diagram.paths:
        if path.block.level is not None and path.block.level not in diagram.levels:
            message = f"The text has a block for level {path.block.level}, but the cluster column is not named"
            raise ModelError(message, text=diagram.text, span=path.span, remedy='Name it: cluster="school".')
        if path.op in ("=~", "<~"):
            levels.setdefault(path.lhs, set()).add(path.block.level)
    shared = {name: at for name, at in levels.items() if len(at) > 1}

    def called(name: str, level: str) -> str:
        return ":".join(f"{level}.{factor}" if factor in shared else factor for factor in name.split(":"))

    paths = tuple(
        replace(path, lhs=called(path.lhs, level), rhs=called(path.rhs, level))
        if (level := path.block.level) is not None
        else path
        for path in diagram.paths
    )
    notes = [
        f"'{name}' of the level '{level}' is called {level}.{name}"
        for name, at in shared.items()
        for level in diagram.levels
        if level in at
    ]
    return replace(diagram, paths=paths, notes=(*diagram.notes, *notes))


def _group_labels(diagram: PathDiagram, n_groups: int, labels: Sequence[str] | None) -> tuple[str, ...]:
    """The labels of the groups; those that the text names must be among them."""
    named = tuple(dict.fromkeys(path.block.group for path in diagram.paths if path.block.group is not None))
    place = next((path.span for path in diagram.paths if path.block.group is not None), None)
    if labels is None or not set(named) <= set(labels):
        numbers = tuple(str(number) for number in range(1, n_groups + 1))
        if set(named) <= set(numbers):
            return numbers
        if labels is not None:
            wrong = next(name for name in named if name not in labels)
            place = next(path.span for path in diagram.paths if path.block.group == wrong)
            remedy = f"Groups of the data: {', '.join(labels)}."
            raise ModelError(f"There is no group '{wrong}'", text=diagram.text, span=place, remedy=remedy)
        labels = named
    if len(labels) != n_groups or (diagram.style == "lavaan" and named and len(named) != n_groups):
        raise ModelError(
            f"The text has blocks for {len(named)} groups, the data have {n_groups}",
            text=diagram.text,
            span=place,
            remedy="Name the column of groups in group=." if n_groups == 1 else None,
        )
    return tuple(labels)


def _paths_of_group(diagram: PathDiagram, label: str) -> tuple[Path, ...]:
    """The paths that hold in a group: its own replace the common ones of the same cell."""
    own = {_cell(path, diagram): path for path in diagram.paths if path.block.group == label}
    kept = []
    for path in diagram.paths:
        if path.block.group is None:
            kept.append(own.pop(_cell(path, diagram), path))
    kept += [path for path in diagram.paths if path.block.group == label and _cell(path, diagram) in own]
    return tuple(kept)


def _cell(path: Path, diagram: PathDiagram) -> tuple:
    ends = tuple(sorted((path.lhs, path.rhs))) if path.op == "~~" else (path.lhs, path.rhs)
    level = diagram.level_of(path.block) if path.op == "~~" or diagram.style == "lavaan" else None
    return path.op, ends, level, path.block.klass


def _ordinal_by_count(diagram: PathDiagram, categories: Mapping[str, int] | None) -> list[str]:
    """Responses whose categories are counted and that have no family of their own."""
    return [name for name in categories or () if name in diagram.responses and diagram.family_of(name) is None]
