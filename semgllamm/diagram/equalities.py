"""Equal parameters: by labels, across groups by `group_equal`, and the constraints of effect coding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.expressions import Binary, Expression, Name, Number
from semgllamm.diagram.parts import Constraint, Parameter
from semgllamm.diagram.switches import Switches
from semgllamm.errors import ModelError

__all__ = ["automatic_name", "effect_constraints", "level_numbers", "one_parameter_per_label"]


def level_numbers(diagram: PathDiagram) -> dict[str | None, int]:
    """Levels counted from the lowest: 1 for rows, then the clusters from low to high."""
    if diagram.style == "lavaan":
        higher = dict.fromkeys(path.block.level for path in diagram.paths if path.block.level is not None)
    else:
        higher = dict.fromkeys(sorted(diagram.clusters, key=diagram.height))
    return {level: number for number, level in enumerate((None, *higher), start=1)}


def automatic_name(row: Parameter, diagram: PathDiagram, numbers: dict[str | None, int] | None = None) -> str:
    """``f=~x2``, with ``.g2`` in the second group and ``.l2`` where a level must be told from a lower one.

    Under lavaan's headers that is in every higher block; else in the (co)variance of a lower-level variable.
    """
    name = row.group_name
    raised = row.op == "~~" and row.lhs not in diagram.latent_names and diagram.response_level(row.lhs) != row.level
    if row.level is not None and (diagram.style == "lavaan" or raised):
        name += f".l{(numbers or level_numbers(diagram)).get(row.level, row.level)}"
    return name + row.class_suffix


def one_parameter_per_label(rows: Sequence[Parameter], diagram: PathDiagram, switches: Switches) -> list[Parameter]:
    """Rows of one label are one parameter: fixed if one of them is, else free under one label.

    A row without a label answers to its automatic name; one whose kind is in `group_equal`, to that of the first group.
    """
    answers = _answers(rows, diagram, switches)
    together: dict[str, list[int]] = {}
    for place, label in enumerate(answers):
        together.setdefault(label, []).append(place)
    rows = list(rows)
    for label, places in together.items():
        if len(places) == 1:
            continue
        if not any(rows[place].label == label for place in places):
            label = f".p{places[0] + 1}."
        fixed = [rows[place] for place in places if not rows[place].free]
        for place in places:
            if fixed:
                rows[place] = replace(rows[place], free=False, fixed=fixed[0].fixed)
            elif not rows[place].label:
                rows[place] = replace(rows[place], label=label)
    return rows


def _answers(rows: Sequence[Parameter], diagram: PathDiagram, switches: Switches) -> list[str]:
    """The label that each row answers to."""
    numbers = level_numbers(diagram)
    answers = [row.label or automatic_name(row, diagram, numbers) for row in rows]
    if not switches.group_equal:
        return answers
    released = {"".join(name.split()) for name in switches.group_partial}
    released |= {"~~".join(reversed(name.split("~~"))) for name in released if "~~" in name}
    _released_are_equal(rows, diagram, switches)
    first = {_cell(row): answers[place] for place, row in enumerate(rows) if row.group == 1}
    for place, row in enumerate(rows):
        shared = kind(row, diagram) in switches.group_equal and not row.exogenous and row.name not in released
        if row.group > 1 and not row.label and shared and row.random_slope is None and row.source != "random":
            answers[place] = first.get(_cell(row), answers[place])
    return answers


def _released_are_equal(rows: Sequence[Parameter], diagram: PathDiagram, switches: Switches) -> None:
    """`group_partial` names parameters that `group_equal` would make equal."""
    equal = list(dict.fromkeys(row.name for row in rows if kind(row, diagram) in switches.group_equal))
    known = {*equal, *("~~".join(reversed(name.split("~~"))) for name in equal if "~~" in name)}
    for name in switches.group_partial:
        if "".join(name.split()) not in known:
            near = get_close_matches(name, equal, n=1)
            raise ModelError(
                f"group_partial names '{name}', and no such parameter is equal over groups",
                remedy=f"Did you mean '{near[0]}'?" if near else None,
            )


def _cell(row: Parameter) -> tuple:
    return row.name, row.level, row.klass


def kind(row: Parameter, diagram: PathDiagram) -> str | None:
    """The kind of parameter in the words of `group_equal`."""
    latent = [name in diagram.latent_names for name in (row.lhs, row.rhs)]
    if row.op == "~1":
        return "means" if latent[0] else "intercepts"
    if row.op == "~~":
        of = "lv." if all(latent) else "residual." if not any(latent) else None
        if row.lhs == row.rhs:
            return "lv.variances" if latent[0] else "residuals"
        return of and f"{of}covariances"
    if row.op.startswith("|t"):
        return "thresholds"
    return {"=~": "loadings", "<~": "composite.weights", "|": "thresholds", "~": "regressions"}.get(row.op)


def effect_constraints(rows: Sequence[Parameter], diagram: PathDiagram, switches: Switches) -> tuple[Constraint, ...]:
    """Effect coding: the loadings of a factor average 1, the intercepts of its measures sum to 0."""
    if not switches.effect_coding:
        return ()
    constraints = []
    factors = dict.fromkeys((row.group, row.level, row.lhs) for row in rows if row.op == "=~")
    for group, level, factor in factors:
        loadings = [row for row in rows if row.op == "=~" and (row.group, row.level, row.lhs) == (group, level, factor)]
        measures = {row.rhs for row in loadings}
        intercepts = [
            row for row in rows if row.op == "~1" and row.group == group and row.level == level and row.lhs in measures
        ]
        if "loadings" in switches.effect_coding and all(row.free for row in loadings):
            constraints.append(_sum_is(len(loadings), loadings, diagram))
        if "intercepts" in switches.effect_coding and intercepts and all(row.free for row in intercepts):
            constraints.append(_sum_is(0, intercepts, diagram))
    return tuple(dict.fromkeys(constraints))


def _sum_is(total: int, rows: Sequence[Parameter], diagram: PathDiagram) -> Constraint:
    first, *others = (Name(row.label or automatic_name(row, diagram)) for row in rows)
    right: Expression = Number(float(total))
    for name in others:
        right = Binary("-", right, name)
    return Constraint(first, "==", right)
