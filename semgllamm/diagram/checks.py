"""What a diagram cannot say, what its author may not mean, what does not fit together, what is not estimated yet."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from semgllamm.diagram.classes import class_variables, level_of_classes, variable_name
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.equalities import automatic_name
from semgllamm.diagram.expressions import Binary, Call, Expression, Name, Negative
from semgllamm.diagram.families import EXTENDED, FAMILIES, family_in, has_residual, has_thresholds, is_linear, with_link
from semgllamm.diagram.nominal import answer_of, in_wide_form
from semgllamm.diagram.parts import AuxiliaryPredictor, FamilySpec, Parameter, Path
from semgllamm.errors import DataError, ModelError, Span, quote

__all__ = ["check", "check_against_columns", "check_estimable", "check_residuals"]


def check(diagram: PathDiagram, group_labels: Sequence[str] = ()) -> tuple[str, ...]:
    """Look for what cannot be meant in a completed diagram.

    Parameters
    ----------
    diagram : PathDiagram
        After completion.
    group_labels : sequence of str
        What the groups are called in the data; by default their numbers.

    Returns
    -------
    tuple of str
        Warnings.

    Raises
    ------
    ModelError
        For the first contradiction, at its place.
    """
    _short_random_names(diagram)
    _no_self_regression(diagram)
    _levels_in_order(diagram)
    _residuals_exist(diagram)
    _thresholds_are_estimated(diagram)
    _composites_have_scale(diagram)
    _names_are_known(diagram)
    _cycles(diagram)
    return (*_held_labels(diagram), *_labels_of_one_group(diagram, group_labels))


def check_against_columns(diagram: PathDiagram, columns: Iterable[str], also: Iterable[str] = ()) -> tuple[str, ...]:
    """Hold the names of a diagram against the columns of the data.

    Parameters
    ----------
    diagram : PathDiagram
        Before or after completion.
    columns : iterable of str
        The columns of the data.
    also : iterable of str
        More columns that the call needs, as that of the groups.

    Returns
    -------
    tuple of str
        Warnings: latent variables and labels that are called like a column.

    Raises
    ------
    DataError
        For a name that is no column; near names are offered.
    """
    columns = dict.fromkeys(columns)
    _short_random_names(diagram)
    _columns_exist(diagram, columns, tuple(also))
    warnings = [
        f"the latent variable '{name}' is called like a column of the data; the column is not used"
        for name in (*diagram.latent_names, *diagram.categorical_names)
        if name in columns
    ]
    return (*warnings, *_labels_like_columns(diagram, columns))


def check_estimable(diagram: PathDiagram) -> None:
    """Refuse what does not fit together and what is not estimated yet, each part by name and place.

    Parameters
    ----------
    diagram : PathDiagram
        Before or after completion.

    Raises
    ------
    ModelError
    """
    _classes_in_place(diagram)
    found = [*_misfits(diagram), *_thresholds_moved_twice(diagram), *_not_estimated(diagram)]
    if not found:
        return
    first, span, remedy = found[0]
    if len(found) == 1:
        raise ModelError(first, text=diagram.text, span=span, remedy=remedy)
    lines = [f"  {what}" + (f" (line {span.line})" if span else "") for what, span, _ in found]
    message = "\n".join(["Parts of this model are refused:", *dict.fromkeys(lines)])
    raise ModelError(message, text=diagram.text, span=span, remedy=remedy)


# ---------------------------------------------------------------------------------------------- names


def _near(name: str, known: Iterable[str]) -> str | None:
    """The nearest known name, the same but for case first."""
    known = list(known)
    same = [other for other in known if other.lower() == name.lower()]
    found = same or get_close_matches(name, known, n=1, cutoff=0.6)
    return found[0] if found else None


def _classes_in_place(diagram: PathDiagram) -> None:
    """Classes are no numbers: they have no variances, products or measures in the sense of a factor."""
    categorical = set(diagram.categorical_names)
    if not categorical:
        return
    predictors = [path for predictor in diagram.predictors for path in predictor.paths]
    used = {path.block.klass[0] for path in (*diagram.paths, *predictors) if path.block.klass is not None}
    for path in (*diagram.paths, *predictors):
        left, right = path.lhs.split(":"), path.rhs.split(":")
        named = [name for name in (*left, *right) if name in categorical]
        if not named:
            continue
        term, name = f"{path.lhs} {path.op} {path.rhs}", named[0]
        if path.op == "~~":
            remedy = f"What predicts the classes is written {name} ~ w, another variable's classes among it."
            raise _error(diagram, f"{term}: the classes of '{name}' have no variances", path.span, remedy)
        if len(left) > 1 or len(right) > 1:
            remedy = f"Write an effect in each class: a line @class({name}, ...), and below it the effect."
            raise _error(diagram, f"{term}: the classes of '{name}' have no products", path.span, remedy)
        if path.op in ("=~", "<~") and path.rhs in categorical:
            remedy = f"Write {path.lhs} ~ {name} if its mean differs between the classes."
            raise _error(diagram, f"{term}: the classes of '{name}' are no measure", path.span, remedy)
        if path.op == "~" and path.lhs in categorical and _varies_with(diagram, path.rhs, path.lhs):
            remedy = f"Write {path.rhs} ~ {name} if its mean differs between the classes."
            message = f"{term}: classes depend on continuous latent variables of higher levels alone"
            raise _error(diagram, message, path.span, remedy)
        if path.op == "=~" or path.rhs in categorical:
            used.add(path.lhs if path.op == "=~" else path.rhs)
    for term in diagram.random_terms:
        declared = next((d for d in class_variables(diagram) if variable_name(d) == term.lhs), None)
        if declared is not None and level_of_classes(declared, diagram) == term.cluster:
            message = f"The classes of '{term.lhs}' vary over units of '{term.cluster}', and nothing else does in these"
            raise _error(diagram, message, term.span, "Write a random term of a level above that of the classes.")
    for declared in diagram.latents:
        name = declared.names[0]
        if declared.kind != "npml" and name not in used:
            remedy = f"Write what differs between them: {name} =~ u1 + u2, y ~ {name}, or a block @class({name}, ...)."
            raise _error(diagram, f"Nothing depends on the classes of '{name}'", declared.span, remedy)


def _short_random_names(diagram: PathDiagram) -> None:
    """``school.intercept`` means nothing where y1 and y2 both have a random term for school."""
    long: dict[str, list[str]] = {}
    for term, parts in diagram.random_latents:
        for _, name in parts:
            short = name.removeprefix(f"{term.lhs}.")
            if short != name:
                long.setdefault(short, []).append(name)
    for path in diagram.paths:
        for name in (path.lhs, *path.rhs.split(":")):
            if name in long and name not in diagram.latent_names:
                meant = " or ".join(dict.fromkeys(long[name]))
                raise _error(diagram, f"'{name}' belongs to more than one left side", path.span, f"Write {meant}.")
    names = [name for _, parts in diagram.random_latents for _, name in parts]
    for term, parts in diagram.random_latents:
        for _, name in parts:
            if names.count(name) > 1:
                raise _error(diagram, f"Two random terms make the same latent variable '{name}'", term.span)


def _columns_exist(diagram: PathDiagram, columns: Mapping[str, None], also: Sequence[str]) -> None:
    for name, span, may_be_latent in _missing_columns(diagram, columns):
        near = _near(name, (*columns, *diagram.latent_names))
        hints = [f"Did you mean '{near}'?"] if near else []
        if may_be_latent:
            hints.append(f"For a latent variable without measures write {name} =~ 0.")
        if beside := _random_effects_beside(diagram, name):
            hints = [f"The random effects of {name.rpartition('.')[0]} are {', '.join(beside)}."]
        elif not near:
            hints.append(f"The columns are: {', '.join([*columns][:12])}{', ...' if len(columns) > 12 else ''}.")
        message = f"There is no column '{name}' in the data"
        raise DataError(message, text=diagram.text, span=span, remedy=" ".join(hints) or None)
    for name in also:
        if name not in columns:
            near = _near(name, columns)
            remedy = f"Did you mean '{near}'?" if near else None
            raise DataError(f"There is no column '{name}' in the data", remedy=remedy)


def _random_effects_beside(diagram: PathDiagram, name: str) -> list[str]:
    """The random effects of the cluster that a name with a dot begins with: ``id.slope`` was meant for one of them."""
    made = dict.fromkeys(name for _, parts in diagram.random_latents for _, name in parts)
    return [other for other in made if "." in name and other.rpartition(".")[0] == name.rpartition(".")[0]]


def _missing_columns(diagram: PathDiagram, columns: Mapping[str, None]) -> Iterator[tuple[str, Span | None, bool]]:
    """Each column a diagram needs and lacks, where, and whether its name could be meant for a latent variable."""
    nominal = in_wide_form(diagram)
    for name in (*diagram.responses, *diagram.covariates):
        if name not in columns and answer_of(name, nominal) is None:
            yield name, _place(diagram, name), True
    for cluster in (name for name in diagram.clusters if name not in columns):
        terms = [term.span for term in diagram.random_terms if cluster in (term.cluster, *term.within)]
        blocks = [path.span for path in diagram.paths if path.block.level == cluster]
        yield cluster, next(iter((*terms, *blocks)), None), False
    for role in diagram.columns:
        named = (value for option, value in role.options if option in ("case", "alternative", "weight"))
        for column in filter(None, (role.column, *named)):
            if column not in columns:
                yield column, role.span, False
    for declared in diagram.latents:
        if declared.known is not None and declared.known not in columns:
            yield declared.known, declared.span, False


def _place(diagram: PathDiagram, name: str) -> Span | None:
    """Where a variable is first named; on the right of a statement if it can be, for there the span is its own."""
    extra = [path for predictor in diagram.predictors for path in predictor.paths]
    for path in (*diagram.paths, *extra):
        if name in path.rhs.split(":"):
            return path.span
    spans = [_on_the_left(diagram, name, path.span) for path in diagram.paths if path.lhs == name]
    spans += [term.span for term in diagram.random_terms if name == term.lhs or name in ":".join(term.terms).split(":")]
    return next(iter(spans), None)


def _on_the_left(diagram: PathDiagram, name: str, span: Span | None) -> Span | None:
    """The left side of a path, where it stands in the same line as the term that has the span."""
    line = diagram.text.splitlines()[span.line - 1] if span and diagram.text else ""
    found = re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", line[: span.column - 1]) if line else None
    return Span(span.line, found.start() + 1, span.line, found.end() + 1) if found else span


def _labels_like_columns(diagram: PathDiagram, columns: Mapping[str, None]) -> Iterator[str]:
    """``y ~ x*z`` reads x as the label of z."""
    seen = set()
    for path in diagram.paths:
        for label in path.label or ():
            if label in columns and label not in seen:
                seen.add(label)
                at = f"line {path.span.line}: " if path.span else ""
                yield (
                    f"{at}'{label}' before * is the label of {path.rhs or 1}, and it is a column of the data too; "
                    f"a product is written {label}:{path.rhs or 1}"
                )


def _names_are_known(diagram: PathDiagram) -> None:
    """Names in definitions and constraints are labels, automatic names, or definitions."""
    labels = {row.label for row in diagram.parameters if row.label}
    known = labels | {definition.name for definition in diagram.definitions}
    automatic = {automatic_name(row, diagram) for row in diagram.parameters}
    for definition in diagram.definitions:
        if definition.name in labels:
            message = f"'{definition.name}' is the label of a parameter and cannot be defined"
            raise _error(diagram, message, definition.span, "Give the defined parameter another name.")
    expressions = [definition.expression for definition in diagram.definitions]
    expressions += [side for constraint in diagram.constraints for side in (constraint.left, constraint.right)]
    for name in (name for expression in expressions for name in _names(expression)):
        if name.name not in known and name.name not in automatic:
            near = _near(name.name, (*known, *automatic))
            remedy = f"Did you mean '{near}'?" if near else "Give the label to a term: y ~ a*x."
            raise _error(diagram, f"No parameter has the label or name '{name.name}'", name.span, remedy)


def _names(expression: Expression) -> Iterator[Name]:
    match expression:
        case Name():
            yield expression
        case Negative(inner) | Call(_, inner):
            yield from _names(inner)
        case Binary(_, left, right):
            yield from _names(left)
            yield from _names(right)


# ---------------------------------------------------------------------------------------------- contradictions


def _error(diagram: PathDiagram, message: str, span: Span | None, remedy: str | None = None) -> ModelError:
    return ModelError(message, text=diagram.text, span=span, remedy=remedy)


def _no_self_regression(diagram: PathDiagram) -> None:
    for row in diagram.parameters:
        if row.op == "~" and row.lhs == row.rhs and row.fixed != 0:
            message = f"'{row.lhs}' is regressed on itself"
            raise _error(diagram, message, row.span, f"For a variance write {row.lhs} ~~ {row.lhs}.")


def _levels_in_order(diagram: PathDiagram) -> None:
    """Effects run from a level to itself and down; a (co)variance stands at or above the level of its variables."""
    for row in diagram.parameters:
        if diagram.style == "lavaan" or row.op not in ("=~", "~", "~~"):
            continue
        if row.op == "~~":
            _covariance_in_order(diagram, row)
            continue
        effect, cause = (row.rhs, row.lhs) if row.op == "=~" else (row.lhs, row.rhs)
        for name in (cause,) if cause in diagram.latent_names else cause.split(":"):
            if name in diagram.latent_names and effect != name:
                low, high = diagram.latent_level(name), _level(diagram, effect)
                if diagram.is_above(high, low):
                    message = f"'{name}' varies over {_units(low)} and cannot predict '{effect}', which {_varies(high)}"
                    remedy = f"Define a latent variable in @level({high}) for it, or let '{effect}' predict '{name}'."
                    raise _error(diagram, message, row.span, remedy)


def _covariance_in_order(diagram: PathDiagram, row: Parameter) -> None:
    for name in (row.lhs, row.rhs):
        own = _level(diagram, name)
        if diagram.is_above(own, row.level):
            message = f"'{name}' {_varies(own)} and has no (co)variance among {_units(row.level)}"
            raise _error(diagram, message, row.span, f"Write it in @level({own}).")
    latent = [name for name in (row.lhs, row.rhs) if name in diagram.latent_names]
    levels = {diagram.latent_level(name) for name in latent}
    if len(levels) > 1 and row.level in levels and diagram.is_above(row.level, min(levels, key=diagram.height)):
        return  # the higher part of the lower one
    if len(levels) > 1:
        message = f"'{row.lhs}' and '{row.rhs}' vary at different levels and do not covary"
        raise _error(diagram, message, row.span, "Let the higher one predict the lower one.")


def _level(diagram: PathDiagram, name: str) -> str | None:
    return diagram.latent_level(name) if name in diagram.latent_names else diagram.response_level(name)


def _units(level: str | None) -> str:
    return "rows" if level is None else f"units of '{level}'"


def _varies(level: str | None) -> str:
    return f"varies over {_units(level)}"


def _residuals_exist(diagram: PathDiagram) -> None:
    """``y ~~ y`` at the level of y needs a family with a residual."""
    latents = {*diagram.latent_names, *diagram.categorical_names}
    for row in diagram.parameters:
        if row.op != "~~" or row.source == "default" or row.exogenous:
            continue
        for name in (row.lhs, row.rhs):
            if name in latents or diagram.response_level(name) != row.level:
                continue
            family = family_in(diagram, name)
            held = row.lhs == row.rhs and row.fixed == 1 and (family.name, family.link) == ("ordinal", "probit")
            if row.lhs != row.rhs and has_residual(family) and not is_linear(family):
                message = f"'{name}' is {_family(family)}, and its residual cannot covary"
                raise _error(diagram, message, row.span, _instead(row))
            if not has_residual(family) and not held:
                raise _error(diagram, f"'{name}' is {_family(family)} and has no residual", row.span, _instead(row))


def check_residuals(diagram: PathDiagram) -> None:
    """A Gaussian response without a residual has no density given the latent variables; it may have one without them.

    Parameters
    ----------
    diagram : PathDiagram
        After completion.

    Raises
    ------
    ModelError
        For the first residual variance that is fixed at zero or below.
    """
    latents = {*diagram.latent_names, *diagram.categorical_names}
    for row in diagram.parameters:
        if row.op != "~~" or row.lhs != row.rhs or row.lhs in latents or row.exogenous:
            continue
        if row.fixed is None or row.fixed > 0 or diagram.response_level(row.lhs) != row.level:
            continue
        if has_residual(family_in(diagram, row.lhs)):
            message = f"The residual variance of '{row.lhs}' is held at {row.fixed:g}"
            remedy = f"Free it, hold it at a small positive value ({row.lhs} ~~ 0.01*{row.lhs}), or "
            if row.source == "default":
                message += ", as it is the only indicator of its factor"
                remedy = (
                    f"Write {row.lhs} in place of the factor; or give its error variance, if you know it: {row.lhs} ~~ "
                    f"0.5*{row.lhs}; or "
                )
            remedy += "hold the factor's variance instead."
            raise _error(diagram, message, row.span or _place(diagram, row.lhs), remedy)


def _instead(row: Parameter) -> str:
    if row.lhs == row.rhs:
        return f"For variation between rows write a factor: extra =~ 1*{row.lhs}."
    return f"Write a factor that they share: shared =~ 1*{row.lhs} + 1*{row.rhs}."


def _family(family: FamilySpec) -> str:
    return f"{family.name}({family.link})"


def _thresholds_are_estimated(diagram: PathDiagram) -> None:
    for row in diagram.parameters:
        if row.op == "|" and not row.free and row.fixed is None:
            message = f"The threshold {row.lhs} | {row.rhs} is neither written nor automatic"
            remedy = f"Write {row.lhs} | {row.rhs}, or use auto_th=True."
            raise _error(diagram, message, _place(diagram, row.lhs), remedy)


def _composites_have_scale(diagram: PathDiagram) -> None:
    """A composite times k and its effects over k are one model: something has to hold its scale."""
    composites = dict.fromkeys((row.lhs, row.group) for row in diagram.parameters if row.op == "<~")
    if diagram.constraints:
        return
    for name, group in composites:
        weights = [r for r in diagram.parameters if r.op == "<~" and r.lhs == name and r.group == group]
        effects = [
            row for row in diagram.parameters
            if row.group == group and (row.op, name) in (("~", row.rhs), ("<~", row.rhs), ("=~", row.lhs))
        ]  # fmt: skip
        variance = [r for r in diagram.parameters if r.op == "~~" and r.lhs == r.rhs == name and r.group == group]
        if any(row.label or (row.fixed is not None and row.fixed != 0) for row in (*weights, *effects, *variance)):
            continue
        first = weights[0]
        remedy = f"Hold a weight: {name} <~ 1*{first.rhs} + ..."
        raise _error(diagram, f"the composite '{name}' has no scale: all its weights are free", first.span, remedy)


def _cycles(diagram: PathDiagram) -> None:
    """Responses that are not Gaussian and linear enter as they are observed, and cannot cause themselves."""
    for cycle, span in _response_cycles(diagram):
        for name in cycle:
            family = family_in(diagram, name)
            if not is_linear(family):
                message = f"{' -> '.join((*cycle, cycle[0]))} is a cycle, and '{name}' is {_family(family)}"
                raise _error(diagram, message, span, "Let latent variables cause each other: f =~ 1*y, f ~ g.")


def _response_cycles(diagram: PathDiagram) -> list[tuple[tuple[str, ...], Span | None]]:
    """Circles of observed responses, each with the place of a path in it."""
    latents = {*diagram.latent_names, *diagram.categorical_names}
    causes: dict[str, dict[str, Path]] = {}
    for path in diagram.paths:
        if path.op == "~" and path.lhs not in latents and path.fixed != (0.0,):
            for name in path.rhs.split(":"):
                causes.setdefault(path.lhs, {})[name] = path
    done: set[str] = set()
    cycles = []
    for start in causes:
        trail: list[str] = []
        stack = [(start, iter(causes[start]))] if start not in done else []
        while stack:
            name, rest = stack[-1]
            if len(trail) < len(stack):
                trail.append(name)
            cause = next(rest, None)
            if cause is None:
                done.add(name)
                stack.pop()
                trail.pop()
            elif cause in trail:
                cycle = tuple(reversed(trail[trail.index(cause) :]))
                cycles.append((cycle, causes[name][cause].span))
            elif cause in causes and cause not in done:
                stack.append((cause, iter(causes[cause])))
    return cycles


def _held_labels(diagram: PathDiagram) -> Iterator[str]:
    """``f =~ a*x1 + a*x2`` holds both loadings at 1, because the first is the marker."""
    written = {label for path in diagram.paths if path.fixed is not None for label in path.label or () if label}
    told = set()
    for row in diagram.parameters:
        if row.op != "=~" or row.free or not row.label or row.label in written | told or row.source != "user":
            continue
        others = sum(other.label == row.label for other in diagram.parameters)
        told.add(row.label)
        if others > 1:
            yield (
                f"the label '{row.label}' stands on a loading that sets the scale of '{row.lhs}', so all {others} "
                f"parameters of that label are held at {row.fixed:g}; for a common free one write "
                f"{row.lhs} =~ NA*{row.rhs} + {row.label}*{row.rhs} + ... and {row.lhs} ~~ 1*{row.lhs}"
            )


def _labels_of_one_group(diagram: PathDiagram, group_labels: Sequence[str]) -> Iterator[str]:
    """A label in the block of one group, where the others have the same parameter without one, makes nothing equal.

    ``c(a, NA)*x``, which says group by group what it means, stands in no group's block.
    """
    in_blocks = {path.span for path in diagram.paths if path.label is not None and path.block.group is not None}
    cells: dict[tuple, dict[int, Parameter]] = {}
    groups: dict[str, set[int]] = {}
    for row in diagram.parameters:
        cells.setdefault((row.name, row.level, row.klass), {})[row.group] = row
        groups.setdefault(row.label or "", set()).add(row.group)
    told = set()
    for cell, rows in cells.items():
        for group, row in rows.items():
            if row.span not in in_blocks or row.label in {None, "", *told} or len(groups[row.label]) > 1:
                continue
            others = [number for number, other in rows.items() if number != group and other.free and not other.label]
            if others:
                told.add(row.label)
                names = [f"'{group_labels[k - 1] if group_labels else k}'" for k in (group, *others)]
                yield (
                    f"the label '{row.label}' of {cell[0]} is used in group {names[0]} only, and {cell[0]} of "
                    f"{'group' if len(others) == 1 else 'groups'} {', '.join(names[1:])} is free beside it; "
                    "give it the same label there to make them equal, or one of its own to keep them apart"
                )


def _varies_with(diagram: PathDiagram, latent: str, categorical: str) -> bool:
    """Whether a continuous latent variable varies over the units that have the classes."""
    if latent not in diagram.latent_names:
        return False
    declared = next(d for d in class_variables(diagram) if variable_name(d) == categorical)
    return diagram.latent_level(latent) == level_of_classes(declared, diagram)


# ---------------------------------------------------------------------------------------------- not estimated yet

OPERATORS = ("=~", "~", "~1", "~~", "|", "~*~", "<~")
YET = "cannot be estimated yet"

# a sentence, its place, and what to write instead
Refusal = tuple[str, Span | None, str | None]


def _not_estimated(diagram: PathDiagram) -> Iterator[Refusal]:
    """Every part that has a meaning and is not estimated."""
    for declared in diagram.latents:
        if declared.count == 1:
            remedy = "Leave it out, or give it two classes: it tells nothing apart."
            yield f"'{declared.names[0]}' with one class {YET}", declared.span, remedy
    for predictor in diagram.predictors:
        if predictor.block.klass is not None and predictor.kind == "thresholds":
            what = f"@{predictor.kind} of '{predictor.response}' in one class {YET}"
            yield what, predictor.span, "Write it for all classes."
    for path in diagram.paths:
        yield from _path_not_estimated(diagram, path)
        yield from _location_held(diagram, path)


def _location_held(diagram: PathDiagram, path: Path) -> Iterator[Refusal]:
    """``c =~ 1*y``: a location that is to differ between classes, and one value for all of them."""
    name = path.rhs if path.op == "=~" else path.lhs
    if path.op == "=~" and path.lhs not in diagram.categorical_names:
        return
    if path.op == "~" and (path.rhs not in diagram.categorical_names or path.lhs in diagram.categorical_names):
        return
    if path.op not in ("=~", "~"):
        return
    held = [f"{value:g}" for value in path.fixed or () if value is not None and value == value]
    held += [label for label in path.label or () if label is not None]
    if held:
        variable = path.lhs if path.op == "=~" else path.rhs
        yield (
            f"{held[0]}* would give '{name}' the same location in all classes of '{variable}', which has no loadings",
            path.span,
            f"Leave it out: {path.lhs} {path.op} {path.rhs}; for one class write a block, @class({variable}, 1).",
        )


def _path_not_estimated(diagram: PathDiagram, path: Path) -> Iterator[Refusal]:
    term = f"{path.lhs} {path.op} {path.rhs}".rstrip()
    if path.op not in OPERATORS:
        yield f"{term} ({path.op} is an operator of other programs) {YET}", path.span, None
    if path.block.klass is not None and path.block.klass[0] not in diagram.categorical_names:
        yield f"{term} in class {path.block.klass[1]} of '{path.block.klass[0]}' {YET}", path.span, None
    latent = [name for name in path.lhs.split(":") if name in diagram.latent_names]
    if len(latent) > 1 and path.lhs not in diagram.latent_names:
        yield f"The product of latent variables {path.lhs} left of {path.op} {YET}", path.span, None
    if path.efa is not None:
        yield f"The rotated factor '{path.lhs}' (efa) {YET}", path.span, "Fix the loadings that identify the factors."
    if path.prior is not None:
        yield f"The prior of {term} {YET}", path.span, "Leave prior() out: the fit is by maximum likelihood."
    if path.op == "~*~" and (path.fixed is None or any(value != 1 for value in path.fixed)):
        yield f"The scale {term} {YET}", path.span, f"Only {path.lhs} ~*~ 1*{path.lhs} is."


# ---------------------------------------------------------------------------------------------- what does not fit

# a logit or another distribution function has a latent response behind it, with a scale; these two have none
WITHOUT_LATENT_RESPONSE = ("log", "identity")


def _misfits(diagram: PathDiagram) -> Iterator[Refusal]:
    """Links, linear predictors and second columns of data that a family does not have."""
    for predictor in diagram.predictors:
        yield from _predictor_misfit(diagram, predictor)
    for role in diagram.columns:
        able = [name for name, known in FAMILIES.items() if known.beside == role.kind]
        family = family_in(diagram, role.target)
        if able and diagram.family_of(role.target) is not None and family.name not in able:
            remedy = f"Families with @{role.kind}: {', '.join(able)}."
            yield f"'{role.target}' is {_family(family)}, which has no @{role.kind}", role.span, remedy
    for choice in diagram.families:
        family = with_link(choice.family)
        place = choice.span or choice.family.span
        known = FAMILIES.get(family.name)
        if known is None:
            near = _near(family.name, FAMILIES)
            remedy = (f"Did you mean {near}? " if near else "") + f"Families: {', '.join(FAMILIES)}."
            yield f"There is no family '{family.name}', which is that of '{choice.response}'", place, remedy
        elif family.link not in known.links:
            made = EXTENDED.values()
            fitting = [name for name, other in FAMILIES.items() if family.link in other.links and name not in made]
            remedy = f"Links of {family.name}: {', '.join(known.links)}."
            if family.name not in made and fitting:
                remedy += f" The link {family.link} fits {', '.join(fitting)}."
            yield f"The link {family.link} does not fit '{choice.response}', which is {_made(family)}", place, remedy


def _made(family: FamilySpec) -> str:
    """The name of a family, and what made it one where its author may not have written it so."""
    name, kinds = family.name, []
    while name in EXTENDED.values():
        name, kind = next(pair for pair, extended in EXTENDED.items() if extended == name)
        kinds.append(f"@{kind}")
    return f"{family.name} ({name} with {' and '.join(reversed(kinds))})" if kinds else family.name


def _predictor_misfit(diagram: PathDiagram, predictor: AuxiliaryPredictor) -> Iterator[Refusal]:
    """``@dispersion`` of counts without one, ``@guessing`` of ordered answers."""
    family, kind = family_in(diagram, predictor.response), predictor.kind
    known = FAMILIES.get(family.name)
    if known is None or (family.name, kind) in EXTENDED:
        return
    message = f"'{predictor.response}' is {_family(family)}, which has no @{kind}"
    if kind not in (*known.own, *known.written):
        able = [
            name for name, other in FAMILIES.items()
            if name not in EXTENDED.values() and (kind in (*other.own, *other.written) or (name, kind) in EXTENDED)
        ]  # fmt: skip
        yield message, predictor.span, f"Families with one: {', '.join(able)}."
    elif kind in known.written and family.name in ("bernoulli", "binomial") and family.link in WITHOUT_LATENT_RESPONSE:
        links = [link for link in known.links if link not in WITHOUT_LATENT_RESPONSE]
        remedy = f"It is the scale of a latent response, which there is under {', '.join(links)}."
        yield message, predictor.span, remedy


def _thresholds_moved_twice(diagram: PathDiagram) -> Iterator[Refusal]:
    """``u ~ x`` beside ``@thresholds(u ~ x)``: with β on the mean and δ on each threshold only δ − β is identified."""
    labels = [label for path in _all_paths(diagram) for label in dict.fromkeys(path.label or ()) if label]

    def is_free(path: Path) -> bool:
        held = any(value is not None and not math.isnan(value) for value in path.fixed or ())
        shared = path.equal is not None or any(labels.count(label) > 1 for label in path.label or ())
        everywhere = path.block.klass is None and path.block.group is None
        return everywhere and not held and not shared and not diagram.constraints

    effects = {(path.lhs, path.rhs): path for path in diagram.paths if path.op == "~" and is_free(path)}
    for predictor in diagram.predictors:
        if predictor.kind != "thresholds" or not has_thresholds(family_in(diagram, predictor.response)):
            continue
        for term in predictor.paths:
            effect = effects.get((predictor.response, term.rhs))
            if effect is None or not is_free(term):
                continue
            name, x = predictor.response, term.rhs
            message = f"'{x}' moves the mean of '{name}' and each of its thresholds, which cannot be told apart"
            if diagram.text and effect.span:
                first = quote(diagram.text, effect.span)
                message += f"; the effect on the mean:\n{first}\n  the effects on thresholds:"
            yield message, term.span or predictor.span, f"Leave {x} out of one of them, or fix it: {name} ~ 0*{x}."


def _all_paths(diagram: PathDiagram) -> Iterator[Path]:
    yield from diagram.paths
    for predictor in diagram.predictors:
        yield from predictor.paths
