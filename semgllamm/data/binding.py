"""What the data settle about a diagram: levels, units, the level of each response, families, categories, dummies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.data import columns
from semgllamm.data.choices import Choices, answers_of_cases, read_cases, with_categorical_alternatives
from semgllamm.data.composites import answers_of_sums, differing_case, weights_of_rows
from semgllamm.data.units import Units, nest, order_levels
from semgllamm.diagram.composite import check_composites, composite_of
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.families import family_in, own_predictors
from semgllamm.diagram.nominal import alternatives_of, answer_of, category_name, in_wide_form
from semgllamm.diagram.parts import ColumnRole
from semgllamm.errors import DataError, ModelError
from semgllamm.model.lower import level_index
from semgllamm.model.matrices import Response
from semgllamm.responses import registry
from semgllamm.responses.contract import Family

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Binding", "bind"]

ROW = "row"
BY_CHANCE = 1e-6  # less probable agreement of the rows of all units is none


@dataclass(frozen=True)
class Binding:
    """A diagram's names, looked up in a data frame.

    Attributes
    ----------
    levels : tuple of str
        Lowest first; the first is "row".
    responses : tuple of Response
    values : dict of str to (n_rows,) array
        Each response as numbers, NaN where missing; ordinal categories are 0, 1, …
    beside : dict of str to (n_rows,) array
        The second column of responses that have one: trials, events, other ends of intervals.
    categories : dict of str to int
    labels : dict of str to tuple of str
        What the categories of a response are called in the data.
    dummies : dict of str to tuple of str
        The levels of each categorical covariate, without the first.
    from_moments : bool
        The rows are made up: only their moments are data.
    choices : Choices or None
        The cases of responses in long form.
    weights : dict of str to (n_rows,) array
        The weights of rows in the mean of their case, of responses with composite links.
    nominal : dict of str to tuple of str
        The categories of nominal responses in wide form, the reference first.
    """

    frame: pd.DataFrame
    levels: tuple[str, ...]
    units: Units
    responses: tuple[Response, ...]
    values: Mapping[str, np.ndarray]
    categories: Mapping[str, int]
    dummies: Mapping[str, tuple[str, ...]]
    group: str | None = None
    group_labels: tuple[str, ...] = ("",)
    group_codes: np.ndarray | None = None
    families: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    from_moments: bool = False
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)
    choices: Choices | None = None
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    nominal: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def need_rows(self, what: str) -> None:
        """Refuse what sample moments do not tell.

        Raises
        ------
        DataError
        """
        if self.from_moments:
            raise DataError(f"{what} need rows of data; this fit has sample moments")


def bind(
    diagram: PathDiagram, frame: pd.DataFrame, *, cluster: Sequence[str] = (), group: str | None = None,
    also: Sequence[str] = (), group_labels: Sequence[str] | None = None,
) -> Binding:  # fmt: skip
    """Look up every name of a diagram, its families settled, in the data.

    Parameters
    ----------
    also : sequence of str
        Covariates that are responses too: their density counts.
    group_labels : sequence of str, optional
        The groups that are used, in their order.

    Raises
    ------
    DataError
        For a column that is not there or cannot be what the model makes of it.
    """
    if group_labels is not None:
        frame = _chosen_groups(frame, group, tuple(map(str, group_labels)))
    clusters = tuple(dict.fromkeys((*cluster, *diagram.clusters)))
    within = {term.cluster: term.within[-1] for term in diagram.random_terms if term.within}
    ordering = tuple(cluster) if cluster else order_levels(frame, clusters, within=within) if clusters else ()
    units = nest(frame, ordering, within=tuple(within))
    levels = (ROW, *units.levels)
    notes, warnings = list(units.notes), []
    named_at = _levels_of_names(diagram, levels)
    frame, choices = _choices(diagram, frame, units)
    wide, nominal, weights = in_wide_form(diagram), {}, {}
    responses, values, beside, categories, called, chosen = [], {}, {}, {}, {}, {}
    for name in (*diagram.responses, *also):
        if answer_of(name, wide) is not None:
            continue
        spec = family_in(diagram, name)
        found = registry.lookup(spec.name, spec.link)
        if alternatives_of(diagram, name) is not None:
            values[name] = answers_of_cases(frame, name, choices, ranking=found.name == "ranking")
            responses.append(Response(name, found, 0, answer=name))
            chosen[name] = f"{found.name}({found.link})"
            continue
        summed = composite_of(diagram, name)
        if summed is not None:
            found = _summed(diagram, found, summed)
            weights[name] = weights_of_rows(frame, name, choices, dict(summed.options).get("weight"))
        declared = diagram.family_of(name) is not None
        array, messages, labels = columns.response(frame, name, spec.name, declared=declared)
        warnings += messages
        if summed is not None:
            array = answers_of_sums(name, choices, array)
        role = next((role for role in diagram.columns if role.kind == found.beside and role.target == name), None)
        if found.beside == "interval":
            limits = {key: float(value) for key, value in spec.options if key in ("lower", "upper")}
            array, beside[name] = columns.interval(frame, name, array, role.column if role else None, **limits)
            found.check(array, beside[name], name)
        elif role is not None:
            beside[name] = columns.SECOND[found.beside](frame, role.column or role.number)
            odd = -1 if summed is None else differing_case(choices.case, beside[name])
            if odd >= 0:
                raise DataError(f"@{role.kind} of '{name}' differs between the rows of case {choices.ids[odd]}",
                                remedy="A case is one response.")
            found.check(array, beside[name], name)
        else:
            found.check(array, None, name)
        if "dispersion" in own_predictors(diagram, name):
            what = found.dispersion or "scale of the latent response"
            notes.append(f"{name}@dispersion is the logarithm of the {what} of {name}")
        count = 0
        if found.thresholds:
            count = len(labels) if labels is not None else int(np.nanmax(array)) + 1
            categories[name] = count
            called[name] = tuple(labels) if labels is not None else tuple(map(str, range(count)))
        if summed is not None:
            responses.append(Response(name, found, 0, answer=name))
            values[name], chosen[name] = array, f"{found.name}({found.link})"
            continue
        level = _level_of_response(diagram, name, array, units, levels, named_at)
        if level == 0 and 0 in named_at.get(name, ()):
            warnings += _repeated(name, array, units, diagram.style)
        if name in wide:
            nominal[name] = _reference_first(diagram, spec, name, labels)
            for label in nominal[name]:
                of = category_name(name, label)
                responses.append(Response(of, found, level, answer=name))
                values[of] = np.where(np.isnan(array), np.nan, array == labels.index(label))
                chosen[of] = f"{found.name}({found.link})"
            notes.append(f"{name}: {', '.join(nominal[name][1:])} against {nominal[name][0]}")
            continue
        responses.append(Response(name, found, level, count))
        values[name] = array
        chosen[name] = f"{found.name}({found.link})"
    dummies = {}
    for name in diagram.covariates:
        if name in also:
            continue
        labels = columns.covariate_levels(frame, name)
        warnings += columns.covariate_warnings(frame, name)
        if labels:
            dummies[name] = tuple(labels)
    notes += [
        f"the likelihood is that of units of '{role.target}' given that some answer of theirs is not 0 (@unseen)"
        for role in diagram.columns if role.kind == "unseen"
    ]  # fmt: skip
    labels_of_groups, group_codes = ("",), None
    if group is not None:
        labels_of_groups, group_codes = _groups(frame, group, group_labels)
    return Binding(
        frame, levels, units, tuple(responses), values, categories, dummies, group, labels_of_groups, group_codes,
        chosen, tuple(notes), tuple(warnings), beside=beside, choices=choices, weights=weights, nominal=nominal,
        labels=called,
    )  # fmt: skip


def _choices(diagram: PathDiagram, frame: pd.DataFrame, units: Units) -> tuple[pd.DataFrame, Choices | None]:
    """The frame with its alternatives as categories, and the cases of the responses in long form."""
    check_composites(diagram)
    roles = [role for role in diagram.columns if role.kind in ("alternatives", "composite")]
    if not roles:
        return frame, None
    # those with alternatives first: their cases have more to be checked
    roles.sort(key=lambda role: role.kind)
    named = [dict(role.options) for role in roles]
    case, alternative = named[0]["case"], named[0].get("alternative")
    for role, options in zip(roles, named):
        if role.kind == "alternatives" and options != named[0]:
            raise ModelError("all responses with @alternatives have the same case= and alternative=",
                             text=diagram.text, span=role.span, remedy="Fit them one by one.")
        if options["case"] != case:
            raise ModelError(f"the cases of '{role.target}' are {options['case']}, those of '{roles[0].target}' {case}",
                             text=diagram.text, span=role.span, remedy="Fit them one by one.")
    if alternative is not None:
        frame = with_categorical_alternatives(frame, alternative)
    lowest = (units.levels[0], units.codes[units.levels[0]]) if units.levels else None
    return frame, read_cases(frame, roles[0].target, case, alternative, lowest)


def _summed(diagram: PathDiagram, family: Family, role: ColumnRole) -> Family:
    """The family of a response whose mean is a sum over rows."""
    try:
        return registry.composite_of(family)
    except ModelError as error:
        raise ModelError(error.message, text=diagram.text, span=role.span, remedy=error.remedy) from None


def _reference_first(diagram: PathDiagram, spec, name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The categories of a nominal response: the one that ``reference=`` names, or the first, and the others."""
    named = dict(spec.options).get("reference")
    if named is None:
        return labels
    reference = f"{named:.12g}" if isinstance(named, float) else str(named)
    if reference not in labels:
        raise DataError(f"'{name}' has no category '{reference}' to be the reference", text=diagram.text,
                        span=spec.span, remedy=f"Its categories: {', '.join(labels)}.")
    return (reference, *(label for label in labels if label != reference))


def _chosen_groups(frame: pd.DataFrame, group: str | None, labels: tuple[str, ...]) -> pd.DataFrame:
    """The rows of the groups that are asked for."""
    if group is None:
        raise DataError("group_label names groups, but there is no group column", remedy="Name it in group=.")
    values = columns.column(frame, group, "group column").astype(str)
    known = tuple(dict.fromkeys(values))
    for label in labels:
        if label not in known:
            raise DataError(f"group column '{group}' has no '{label}'", remedy=f"It has {', '.join(known)}.")
        if labels.count(label) > 1:
            raise DataError(f"group_label names '{label}' twice")
    return frame[values.isin(labels).to_numpy()]


def _groups(frame: pd.DataFrame, group: str, labels: Sequence[str] | None) -> tuple[tuple[str, ...], np.ndarray]:
    values = columns.column(frame, group, "group column")
    if values.isna().any():
        raise DataError(
            f"group column '{group}' has {int(values.isna().sum())} missing values",
            remedy="Leave those rows out first.",
        )
    codes, found = values.factorize()
    seen = [str(value) for value in found]
    if labels is None:
        return tuple(seen), codes.astype(np.int64)
    wanted = [str(label) for label in labels]
    order = sorted(range(len(seen)), key=lambda k: wanted.index(seen[k]))
    return tuple(seen[k] for k in order), np.argsort(order)[codes]


def _levels_of_names(diagram: PathDiagram, levels: Sequence[str]) -> dict[str, list[int]]:
    """The levels at which statements say something of each variable."""
    named: dict[str, list[int]] = {}
    for path in diagram.paths:
        level = level_index(path.block.level, levels)
        about = {"=~": (path.rhs,), "~~": (path.lhs, path.rhs)}.get(path.op, (path.lhs,))
        for name in about:
            named.setdefault(name, []).append(level)
    for term in diagram.random_terms:
        named.setdefault(term.lhs, []).append(level_index(term.block.level, levels))
    return named


def _level_of_response(diagram, name, values, units: Units, levels, named_at) -> int:
    """One named only in higher blocks is measured once a unit of the highest level within which it is constant."""
    named = named_at.get(name, [])
    if not named:
        # a predictor that nothing is said of
        predicts = (p for p in diagram.paths if p.op in ("~", "<~") and name in p.rhs.split(":"))
        named = [level_index(path.block.level, levels) for path in predicts]
    lowest = min(named, default=0)
    if lowest == 0:
        return 0
    level = columns.response_level(values, units, highest=levels[lowest])
    if level != levels[lowest] and diagram.style == "lavaan":
        raise DataError(
            f"'{name}' varies within '{levels[lowest]}' although it is named at that level only",
            remedy="Name it at level 1 as well.",
        )
    return 0 if level is None else levels.index(level)


def _repeated(name: str, values: np.ndarray, units: Units, style: str) -> list[str]:
    """A warning of a response of rows that looks like one of a cluster, copied into each of its rows.

    Rows that answered independently, with the shares p of the answers in the sample, would agree within all units with
    probability Π Σ p^n, the product over the units, which have n answers each.
    """
    seen = ~np.isnan(values)
    level = columns.response_level(values, units)
    if level is None:
        return []
    shares = np.unique(values[seen], return_counts=True)[1] / seen.sum()
    sizes, how_many = np.unique(np.bincount(units.codes[level][seen]), return_counts=True)
    log_chance = sum(count * np.log((shares**size).sum()) for size, count in zip(sizes, how_many) if size > 1)
    if log_chance > np.log(BY_CHANCE):
        return []
    remedy = "name it at level 2 only" if style == "lavaan" else f"write its statement below a line @level({level})"
    return [
        f"response '{name}' has one value in all rows of a unit of '{level}', and is taken as an answer of every row; "
        f"if it was measured once for each '{level}', {remedy}"
    ]
