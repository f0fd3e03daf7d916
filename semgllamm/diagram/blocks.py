"""Levels and groups as the text names them, settled against what the call and the data say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import Path
from semgllamm.errors import ModelError

__all__ = ["call_levels_by_cluster", "cell_of", "labels_of_groups", "paths_of_group", "told_apart"]


def call_levels_by_cluster(diagram: PathDiagram, cluster: tuple[str, ...]) -> PathDiagram:
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


def told_apart(diagram: PathDiagram) -> PathDiagram:
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
    renamed = [(f"{level}.{name}", name) for name, at in shared.items() for level in diagram.levels if level in at]
    notes = [f"'{name}' of the level '{new.removesuffix(name)[:-1]}' is called {new}" for new, name in renamed]
    return replace(diagram, paths=paths, notes=(*diagram.notes, *notes), renamed=tuple(renamed))


def labels_of_groups(diagram: PathDiagram, n_groups: int, labels: Sequence[str] | None) -> tuple[str, ...]:
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
            known = ", ".join(filter(None, labels))
            remedy = f"Groups of the data: {known}." if known else "Name the column of groups in group=."
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


def paths_of_group(diagram: PathDiagram, label: str) -> tuple[Path, ...]:
    """The paths that hold in a group: its own replace the common ones of the same cell."""
    own = {cell_of(path, diagram): path for path in diagram.paths if path.block.group == label}
    kept = []
    for path in diagram.paths:
        if path.block.group is None:
            kept.append(own.pop(cell_of(path, diagram), path))
    kept += [path for path in diagram.paths if path.block.group == label and cell_of(path, diagram) in own]
    return tuple(kept)


def cell_of(path: Path, diagram: PathDiagram) -> tuple:
    ends = tuple(sorted((path.lhs, path.rhs))) if path.op == "~~" else (path.lhs, path.rhs)
    level = diagram.level_of(path.block) if path.op == "~~" or diagram.style == "lavaan" else None
    return path.op, ends, level, path.block.klass
