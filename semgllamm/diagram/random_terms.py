"""Random terms as the latent variables they stand for.

``y ~ x + (1 + x | school)`` is ``y ~ x + 1*school.intercept + 1*school.x:x`` with two latent variables at the level
school: means 0, variances free, covariances free within one parenthesis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from semgllamm.diagram.classes import Pattern, is_logit, level_of_logit
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import Block, Parameter, Path, RandomTerm
from semgllamm.diagram.roles import pairs
from semgllamm.errors import ModelError

__all__ = ["random_paths", "random_rows", "slopes", "slopes_as_paths"]


def slopes_as_paths(diagram: PathDiagram) -> PathDiagram:
    """The diagram with ``rv("s")*x`` as the path ``1*s:x``.

    Raises
    ------
    ModelError
        If nothing says at which level a random slope varies.
    """
    return replace(diagram, paths=tuple(_slope(path, diagram) for path in diagram.paths))


def _slope(path: Path, diagram: PathDiagram) -> Path:
    slope = path.random_slope
    if slope is None:
        return path
    if diagram.latent_level(slope) is None:
        raise ModelError(
            f"Nothing says at which level the random slope '{slope}' varies",
            text=diagram.text,
            span=path.span,
            remedy=f"Name it in a block of that level: @level(school), then {slope} ~~ {slope}",
        )
    return replace(path, rhs=f"{slope}:{path.rhs}", fixed=(1.0,))


def random_paths(diagram: PathDiagram) -> tuple[Path, ...]:
    """The statements that random terms and slopes stand for, as far as they say what their variables are."""
    paths = []
    for term, names in diagram.random_latents:
        if is_logit(term.lhs, diagram):
            continue
        block = Block(level=_own_level(term.lhs, diagram))
        paths += [Path(term.lhs, "~", name, block) for _, name in names]
    paths += [Path(name, "=~", "", Block(level=diagram.latent_level(name))) for name in slopes(diagram)]
    return tuple(paths)


def slopes(diagram: PathDiagram) -> tuple[str, ...]:
    """The latent variables that ``rv()`` names."""
    return tuple(dict.fromkeys(path.random_slope for path in diagram.paths if path.random_slope is not None))


def random_rows(diagram: PathDiagram, group: int, pattern: Pattern = ()) -> list[Parameter]:
    """The rows of all random terms, in one group and pattern of classes; terms of other classes have no effect."""
    rows = [
        row
        for term, parts in diagram.random_latents
        for row in _rows_of(term, parts, diagram, group)
        if row.op != "~" or term.block.klass is None or term.block.klass in pattern
    ]
    return [*rows, *_across_categories(diagram, group)]


def _across_categories(diagram: PathDiagram, group: int) -> Iterator[Parameter]:
    """Covariances of what one random term of a nominal response is in its linear predictors."""
    together: dict[tuple, list[list[str]]] = {}
    for term, parts in diagram.random_latents:
        if term.answer and not term.independent:
            key = term.answer, term.cluster, term.terms, term.span
            together.setdefault(key, []).append([name for _, name in parts])
    for (_, cluster, _, span), lists in together.items():
        for names, others in pairs(lists):
            for first in names:
                for second in others:
                    yield Parameter(first, "~~", second, group=group, level=cluster, source="random", span=span)


def _own_level(name: str, diagram: PathDiagram) -> str | None:
    if is_logit(name, diagram):
        return level_of_logit(name, diagram)
    return diagram.latent_level(name) if name in diagram.latent_names else diagram.response_level(name)


def _rows_of(
    term: RandomTerm, parts: tuple[tuple[str, str], ...], diagram: PathDiagram, group: int
) -> Iterator[Parameter]:
    own = _own_level(term.lhs, diagram)
    names = [name for _, name in parts]
    common = {"group": group, "source": "random", "span": term.span}
    for column, name in parts:
        rhs = name if column == "1" else f"{name}:{column}"
        klass = () if term.block.klass is None else (term.block.klass,)
        yield Parameter(term.lhs, "~", rhs, level=own, free=False, fixed=1.0, klass=klass, **common)
    for name in names:
        yield Parameter(name, "~~", name, level=term.cluster, **common)
    if not term.independent:
        for first, second in pairs(names):
            yield Parameter(first, "~~", second, level=term.cluster, **common)
    for name in names:
        yield Parameter(name, "~1", "", level=term.cluster, free=False, fixed=0.0, **common)
