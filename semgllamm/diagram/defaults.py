"""Completion: what a model means when the user says nothing, by lavaan's rules.

Every group, and under lavaan's headers every level, is completed by itself: the rows the user wrote, those of its
random terms, and those that completion adds come together; passes over them fix what the switches fix; the user's
modifiers have the last word. At the end, equal labels become one parameter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from semgllamm.diagram.blocks import call_levels_by_cluster, labels_of_groups, paths_of_group, told_apart
from semgllamm.diagram.classes import (
    by_logit,
    class_name,
    class_variables,
    classes_of,
    level_of_classes,
    merged,
    moved_by_classes,
    patterns,
    variable_name,
    with_classes,
)
from semgllamm.diagram.composite import composite_of
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.equalities import effect_constraints, one_parameter_per_label
from semgllamm.diagram.families import (
    FAMILIES,
    has_residual,
    has_thresholds,
    has_variance,
    is_linear,
    own_predictors,
    settle_families,
)
from semgllamm.diagram.nominal import in_long_form
from semgllamm.diagram.parts import AuxiliaryPredictor, FamilySpec, Parameter, Path
from semgllamm.diagram.passes import PASSES, fixed_at, freed, is_settled
from semgllamm.diagram.random_terms import random_rows, slopes, slopes_as_paths
from semgllamm.diagram.roles import pairs
from semgllamm.diagram.setting import Part, Setting, columns_of_path
from semgllamm.diagram.switches import Switches
from semgllamm.errors import ModelError

__all__ = ["complete"]

KEPT = 32  # completed diagrams of the last calls, for those who fit one model again and again


def complete(
    diagram: PathDiagram,
    like: str = "fit",
    *,
    fitted: bool = False,
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
    fitted : bool
        Whether the diagram is to be fitted: then latent variables of one name at several levels are told apart.
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
    if isinstance(family, Mapping):
        family = tuple((name, one if isinstance(one, FamilySpec) else str(one)) for name, one in family.items())
    levels_of = tuple((name, tuple(map(str, levels))) for name, levels in (dummies or {}).items())
    return _complete(
        diagram, Switches.of(like, switches), fitted, n_groups, None if group_labels is None else tuple(group_labels),
        tuple(cluster), tuple(ordered), family, tuple((categories or {}).items()), levels_of,
        tuple((response_levels or {}).items()),
    )  # fmt: skip


@lru_cache(maxsize=KEPT)
def _complete(
    diagram: PathDiagram, chosen: Switches, fitted: bool, n_groups: int, group_labels: tuple[str, ...] | None,
    cluster: tuple[str, ...], ordered: tuple[str, ...],
    family: tuple[tuple[str, str | FamilySpec], ...] | str | FamilySpec | None,
    categories: tuple[tuple[str, int], ...], levels_of: tuple[tuple[str, tuple[str, ...]], ...],
    response_levels: tuple[tuple[str, str | None], ...],
) -> PathDiagram:  # fmt: skip
    """`complete` with mappings as tuples of pairs, by which the last diagrams are kept and found again."""
    family = dict(family) if isinstance(family, tuple) else family
    diagram = replace(call_levels_by_cluster(diagram, cluster), levels=cluster)
    if (chosen.as_fitted or fitted) and diagram.style == "lavaan":
        diagram = told_apart(diagram)
    counts = dict(categories)
    diagram = settle_families(diagram, (*ordered, *_ordinal_by_count(diagram, counts)), family)
    diagram = by_logit(slopes_as_paths(replace(_with_declared(diagram), dummies=levels_of)))
    labels = labels_of_groups(diagram, n_groups, group_labels)
    setting = Setting(diagram, chosen, labels, counts, dict(response_levels), fitted)
    rows = []
    for of_patterns in setting.parts():
        completed = [with_classes(_completed(part), part.pattern, diagram) for part in of_patterns]
        rows += merged(completed, patterns(diagram))
    for number, label in enumerate(labels, start=1):
        rows += _membership(Part(setting, number, None, paths_of_group(diagram, label)))
    rows = one_parameter_per_label(rows, diagram, chosen)
    added = effect_constraints(rows, diagram, chosen)
    return replace(diagram, parameters=tuple(rows), constraints=(*diagram.constraints, *added))


def _with_declared(diagram: PathDiagram) -> PathDiagram:
    """The diagram with a statement ``eta =~ 0`` for each free distribution of a variable that nothing else makes."""
    made = {path.lhs for path in diagram.paths if path.op in ("=~", "<~")} | set(slopes(diagram))
    made |= {name for _, parts in diagram.random_latents for _, name in parts}
    alone = [
        Path(name, "=~", "", block=declared.block, span=declared.span)
        for declared in diagram.latents if declared.kind == "npml" for name in declared.names if name not in made
    ]  # fmt: skip
    return replace(diagram, paths=(*diagram.paths, *alone)) if alone else diagram


def _completed(part: Part) -> list[Parameter]:
    """The rows of one part."""
    _count_thresholds(part)
    written = _written_rows(part)
    random = [row for row in random_rows(part.diagram, part.group, part.pattern) if part.holds(row.level)]
    taken = {_key(row) for row in (*(row for row, _ in written), *random)}
    written_keys = {_key(row) for row, _ in written}
    random = [row for row in random if _key(row) not in written_keys]
    added = [row for row in _added_rows(part) if _key(row) not in taken]
    rows = [*(row for row, _ in written), *random, *added]
    for one_pass in PASSES:
        rows = [row if is_settled(row, part) else one_pass(row, part) for row in rows]
    modified = [_with_modifiers(row, path, part) for row, (_, path) in zip(rows, written)]
    rows = _turned([*modified, *rows[len(modified) :]], part)
    return [row for row in rows if not _left_out(row, part)]


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
        if _is_replaced(path, part):
            message = f"'{path.lhs}' has a variance here and a @dispersion, which stands in its place"
            raise ModelError(message, text=part.diagram.text, span=path.span, remedy="Keep one of them.")
        for rhs in (path.lhs,) if phantom else columns_of_path(path, part.setting):
            row = Parameter(
                path.lhs, path.op, rhs, group=part.group, level=level, span=path.span,
                klass=() if path.block.klass is None else (path.block.klass,),
                free=not phantom, fixed=0.0 if phantom else None,
                random_slope=path.random_slope, efa=path.efa, prior=path.prior,
            )  # fmt: skip
            rows.append((row, path))
    return rows + _rows_of_predictors(part)


def _rows_of_predictors(part: Part) -> list[tuple[Parameter, Path]]:
    """Those of the linear predictors of own parameters; what is written for a class replaces the common cell there."""
    rows: dict[tuple, tuple[Parameter, Path]] = {}
    for predictor in sorted(part.diagram.predictors, key=lambda p: p.block.klass is not None):
        klass = predictor.block.klass
        if predictor.kind not in own_predictors(part.diagram, predictor.response):
            continue
        if klass is not None and klass not in part.pattern:
            continue
        if part.holds(part.home(predictor.response)) and part.in_group(predictor.block):
            for path in predictor.paths:
                for rhs in columns_of_path(path, part.setting):
                    for op in _operators(predictor, path, part):
                        row = part.row(
                            path.lhs, op, rhs, source="user", span=path.span, klass=() if klass is None else (klass,)
                        )  # fmt: skip
                        rows[_key(row)] = row, path
    return list(rows.values())


def _operators(predictor: AuxiliaryPredictor, path: Path, part: Part) -> list[str]:
    """``@dispersion~``; or one operator for each threshold, as in ``u|t1~x``."""
    if predictor.kind != "thresholds":
        return [f"@{predictor.kind}{path.op}"]
    if path.op == "~1":
        raise ModelError(
            f"The thresholds of '{path.lhs}' are its intercepts already",
            text=part.diagram.text,
            span=path.span,
            remedy=f"Name covariates alone, and the thresholds themselves as {path.lhs} | t1 + t2.",
        )
    named = [int(p.rhs.removeprefix("t")) for p in part.paths if p.op == "|" and p.lhs == path.lhs]
    count = part.setting.categories.get(path.lhs, 1 + max(named, default=0))
    return [f"|t{number}~" for number in range(1, count)]


def _is_replaced(path: Path, part: Part) -> bool:
    """Whether a path is the residual variance of a response that has a @dispersion."""
    if path.op != "~~" or path.lhs != path.rhs or path.lhs in part.roles.latents:
        return False
    return "dispersion" in own_predictors(part.diagram, path.lhs) and part.setting.level(path.lhs) == _level_of_path(
        path, part
    )


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
    for name in roles.explained:
        if part.home(name) == part.setting.level(name):
            # the thresholds, or the intercept, hold the place of a latent response's scale
            family = part.family(name)
            always = own_predictors(part.diagram, name) if has_residual(family) else FAMILIES[family.name].own
            for kind in always:
                yield part.row(name, f"@{kind}~1")
    if part.setting.has_means:
        yield from _added_means(part)


def _varies(name: str, part: Part) -> bool:
    """Whether a variable has a (residual) variance; in a higher block only what is written is there, save its own."""
    return name in part.roles.latents or has_variance(part.diagram, name)


def _may_covary(name: str, part: Part) -> bool:
    if composite_of(part.diagram, name) is not None:
        return False
    return name in part.roles.latents or name in part.scaled or is_linear(part.family(name))


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
        final = [name for name in final if not _depends_on_classes(name, part) and _may_covary(name, part)]
        for first, second in pairs(final):
            if part.home(first) == part.home(second):
                yield part.row(first, "~~", second)


def _depends_on_classes(name: str, part: Part) -> bool:
    """Whether a class, or a path that holds in one class only, points at a variable."""
    in_classes = any(path.lhs == name and path.block.klass is not None for path in part.diagram.paths)
    return in_classes or name in moved_by_classes(part.diagram)


def _added_means(part: Part) -> Iterator[Parameter]:
    roles, without = part.roles, in_long_form(part.diagram)
    for name in roles.observed:
        if name in roles.exogenous:
            if not part.switches.as_fitted:
                yield part.row(name, "~1", exogenous=part.switches.fixed_x)
        elif name not in without and (not has_thresholds(part.family(name)) or name in part.scaled):
            yield part.row(name, "~1")
    for name in roles.latents:
        yield part.row(name, "~1")


def _membership(part: Part) -> Iterator[Parameter]:
    """The linear predictors of the logits of membership, the last class the reference."""
    for declared in class_variables(part.diagram):
        variable, level = variable_name(declared), level_of_classes(declared, part.diagram)
        written = [path for path in part.group_paths if path.lhs == variable and path.op in ("~", "~1")]
        for klass in classes_of(declared)[:-1]:
            name = class_name(variable, klass)
            if not any(path.op == "~1" for path in written):
                yield Parameter(name, "~1", "", group=part.group, level=level, source="default")
            for path in written:
                for rhs in _causes_of_membership(path, part):
                    row = Parameter(name, path.op, rhs, group=part.group, level=level, span=path.span)
                    yield _with_modifiers(row, path, part)


def _causes_of_membership(path: Path, part: Part) -> tuple[str, ...]:
    """The columns of a term, or the classes of a categorical latent variable but its last."""
    for declared in class_variables(part.diagram):
        if variable_name(declared) == path.rhs:
            return tuple(class_name(path.rhs, klass) for klass in classes_of(declared)[:-1])
    return columns_of_path(path, part.setting)


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
        row = freed(row) if math.isnan(value) else fixed_at(row, float(value))
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


def _ordinal_by_count(diagram: PathDiagram, categories: Mapping[str, int]) -> list[str]:
    """Responses whose categories are counted and that have no family of their own."""
    return [name for name in categories if name in diagram.responses and diagram.family_of(name) is None]
