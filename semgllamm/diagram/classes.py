"""Categorical latent variables: which statements hold in which class, and what predicts membership.

A pattern names one class of each categorical latent variable; a model with classes is one model for each pattern, whose
parameters are those of all patterns save where a statement says otherwise:

    @class(c, 1)        what follows replaces the common statement of the same cell in class 1
    c =~ y,  y ~ c      the intercept of y, or its thresholds, in each class
    eta ~ c             the mean of eta in each class, in the last what it is without classes: 0, or free
    @latent(eta, npml(k))    the same with eta a constant in each class: a mass point, of which the masses' mean is 0
    c ~ w + (1 | g)     the logits of membership, c[1] ~ w and so on against the last class
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.families import family_in, has_thresholds
from semgllamm.diagram.parts import LatentDeclaration, Parameter, Path
from semgllamm.errors import ModelError

__all__ = [
    "Pattern",
    "by_logit",
    "class_name",
    "class_variables",
    "classes_of",
    "is_logit",
    "level_of_classes",
    "level_of_logit",
    "merged",
    "moved_by_classes",
    "paths_of_pattern",
    "patterns",
    "variable_name",
    "with_classes",
    "without_classes",
]  # fmt: skip

# one class of each categorical latent variable, as (variable, class) in the order of the text
Pattern = tuple[tuple[str, str], ...]


def class_variables(diagram: PathDiagram) -> tuple[LatentDeclaration, ...]:
    """The declarations of categorical latent variables, free discrete distributions among them."""
    return diagram.latents


def variable_name(declared: LatentDeclaration) -> str:
    """What a categorical latent variable is called; the masses of ``npml`` have the name of what they move."""
    return "+".join(declared.names)


def classes_of(declared: LatentDeclaration) -> tuple[str, ...]:
    """The classes, or mass points, of a declaration."""
    return declared.classes or tuple(str(k) for k in range(1, 1 + (declared.count or 1)))


def class_name(variable: str, klass: str) -> str:
    """The linear predictor of a class, as it is called in names of parameters: ``c[1]``."""
    return f"{variable}[{klass}]"


def level_of_classes(declared: LatentDeclaration, diagram: PathDiagram) -> str | None:
    """The level at which a categorical latent variable varies: that of what it moves if it is a free distribution."""
    if declared.kind == "npml":
        return diagram.latent_level(declared.names[0])
    return diagram.level_of(declared.block)


def by_logit(diagram: PathDiagram) -> PathDiagram:
    """The diagram with each random term of a categorical latent variable as one for each logit, which covary."""
    logits = {
        variable_name(d): [class_name(variable_name(d), klass) for klass in classes_of(d)[:-1]]
        for d in class_variables(diagram)
    }  # fmt: skip
    terms = [
        replace(term, lhs=name, answer=term.lhs if term.lhs in logits else term.answer)
        for term in diagram.random_terms for name in logits.get(term.lhs, (term.lhs,))
    ]  # fmt: skip
    return replace(diagram, random_terms=tuple(terms)) if logits else diagram


def level_of_logit(name: str, diagram: PathDiagram) -> str | None:
    """The level of the classes that a logit c[1] is of."""
    variable = name.rpartition("[")[0]
    return next(level_of_classes(d, diagram) for d in class_variables(diagram) if variable_name(d) == variable)


def is_logit(name: str, diagram: PathDiagram) -> bool:
    """Whether a name is that of a logit of membership."""
    return any(
        name == class_name(variable_name(d), klass) for d in class_variables(diagram) for klass in classes_of(d)
    )


@cache
def patterns(diagram: PathDiagram) -> tuple[Pattern, ...]:
    """All combinations of classes, the last variable's changing fastest; one empty pattern if there are none."""
    each = [[(variable_name(d), k) for k in classes_of(d)] for d in class_variables(diagram)]
    return tuple(product(*each))


@cache
def moved_by_classes(diagram: PathDiagram) -> dict[str, tuple[str, ...]]:
    """The variables whose location differs between classes, each with the categorical variables that it depends on."""
    moved: dict[str, dict[str, None]] = {}
    categorical = diagram.categorical_names
    for path in diagram.paths:
        if path.op == "=~" and path.lhs in categorical:
            moved.setdefault(path.rhs, {})[path.lhs] = None
        elif path.op == "~" and path.rhs in categorical and path.lhs not in categorical:
            moved.setdefault(path.lhs, {})[path.rhs] = None
    for declared in diagram.latents:
        if declared.kind == "npml":
            for name in declared.names:
                moved.setdefault(name, {})[variable_name(declared)] = None
    return {name: tuple(by) for name, by in moved.items()}


def without_classes(paths: Iterable[Path], diagram: PathDiagram) -> tuple[Path, ...]:
    """The paths without their ends in categorical latent variables: ``c =~ y`` and ``y ~ c`` speak of y's location.

    Membership, ``c ~ w``, is left out.
    """
    categorical, paths = diagram.categorical_names, tuple(paths)
    located = {path.lhs for path in paths if path.op in ("~1", "|")}
    out = []
    for path in paths:
        if path.lhs not in categorical and path.rhs not in categorical:
            out.append(path)
            continue
        name = path.rhs if path.op == "=~" else path.lhs
        if name not in categorical and name not in located:
            located.add(name)
            ordered = name not in diagram.latent_names and has_thresholds(family_in(diagram, name))
            op, rhs = ("|", "t1") if ordered else ("~1", "")
            if name not in diagram.latent_names:
                out.append(replace(path, lhs=name, op=op, rhs=rhs))
    return tuple(out)


def paths_of_pattern(paths: Iterable[Path], pattern: Pattern, diagram: PathDiagram, cell) -> tuple[Path, ...]:
    """The paths that hold in a pattern: those of its classes replace the common ones of the same cell."""
    if not pattern:
        return tuple(paths)
    paths = without_classes(paths, diagram)

    def common(path: Path):
        return cell(replace(path, block=replace(path.block, klass=None)))

    own = [path for path in paths if path.block.klass in pattern]
    replaced = {common(path) for path in own}
    kept = [p for p in paths if p.block.klass in pattern or (p.block.klass is None and common(p) not in replaced)]
    twice: dict[tuple, Path] = {}
    for path in own:
        other = twice.setdefault(common(path), path)
        if other.block.klass != path.block.klass:
            message = f"{path.lhs} {path.op} {path.rhs} is written for two categorical variables"
            raise ModelError(message, text=diagram.text, span=path.span, remedy="Write it for one of them.")
    return tuple(kept)


def with_classes(rows: Iterable[Parameter], pattern: Pattern, diagram: PathDiagram) -> list[Parameter]:
    """The rows of a pattern, each marked with the classes that it is for."""
    if not pattern:
        return list(rows)
    moved, classes = moved_by_classes(diagram), dict(pattern)
    last = {variable_name(d): classes_of(d)[-1] for d in class_variables(diagram)}
    latent, masses = set(diagram.latent_names), {n for d in diagram.latents if d.kind == "npml" for n in d.names}
    out = []
    for row in rows:
        by = moved.get(row.lhs, ())
        added = row.source != "user"
        if row.op == "~~" and added and masses & {row.lhs, row.rhs}:
            continue  # a constant in each class
        if by and row.op in ("~1", "|") and not row.klass:
            row = replace(row, klass=tuple((name, classes[name]) for name in by))
            if row.lhs in latent and added and not row.free:
                # of several classes each moves the mean; where all are the last, it is the origin that it was
                origin = all(classes[name] == last[name] for name in by) and row.lhs not in masses
                row = row if origin else replace(row, free=True, fixed=None)
        out.append(row)
    return out


def merged(by_pattern: Sequence[Sequence[Parameter]], patterns: Sequence[Pattern]) -> list[Parameter]:
    """The rows of all patterns, one for each parameter; each knows in which patterns it holds.

    What completion makes different without being told is different for each pattern.
    """
    if len(by_pattern) == 1:
        return list(by_pattern[0])
    found: dict[tuple, dict[Parameter, list[int]]] = {}
    for place, rows in enumerate(by_pattern):
        for row in rows:
            ends = tuple(sorted((row.lhs, row.rhs))) if row.op == "~~" else (row.lhs, row.rhs)
            found.setdefault((row.op, ends, row.level), {}).setdefault(row, []).append(place)
    out = []
    for versions in found.values():
        for row, places in versions.items():
            rivals = [other for other in versions if other is not row and other.klass == row.klass]
            held = [replace(row, patterns=tuple(places) if len(places) < len(patterns) else None)]
            if rivals:
                held = [replace(row, patterns=(place,), klass=patterns[place]) for place in places]
            out += held
    return out
