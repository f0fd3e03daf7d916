"""The units of the data: which rows belong to which cluster, and how the clusters nest.

A level is named by its cluster column. Its units are numbered 0, 1, ... in the sorted order of their identifiers
within the sorted order of the higher units that hold them: the numbers do not depend on the order of the rows, and the
units within one higher unit are neighbours.

An identifier that occurs in several higher units is one unit that crosses these, which is refused, or several units
with one name. It is the latter where

- the model text puts the one column within the other, (1 | school/class), whatever the pattern; or
- the lower column counts anew within each higher unit, and the data show it: its identifiers are 1, 2, …, 0, 1, … or
  short labels (A, B, …); the higher units differ in how many they have, less than a share COMPLETE of them having all;
  and of the identifiers that the higher units lack, at most a share GAPS come before the last that the unit has. Of
  identifiers met at random half or more would: with h of n present, (n − h)/(h + 1) are expected to follow the last.

Where the same complete set occurs in (nearly) every higher unit, classes 1, 2, 3 of each school cannot be told from
three raters who see all schools, and listing the columns in ``cluster=`` tells which is lower but not which of these it
is: the text must say it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.data.frames import column
from semgllamm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Units", "nest", "order_levels"]

COMPLETE = 0.8
GAPS = 0.25


@dataclass(frozen=True)
class Units:
    """The nested units of a data set.

    Attributes
    ----------
    levels : tuple of str
        Cluster columns, lowest first; each nests in the next.
    codes : mapping of str to array of int64
        For every level the number of each row's unit, 0 to counts[level] - 1.
    ids : mapping of str to Index
        For every level the identifiers of its units in the order of their numbers: values of the column, or, where an
        identifier is reused across higher units, a MultiIndex whose first part is the highest level.
    counts : mapping of str to int
        Number of units per level.
    n_rows : int
    notes : tuple of str
        What was read from the data without being written, and what it does to the model.
    """

    levels: tuple[str, ...]
    codes: Mapping[str, np.ndarray]
    ids: Mapping[str, pd.Index]
    counts: Mapping[str, int]
    n_rows: int
    notes: tuple[str, ...] = ()

    def parents(self, level: str) -> np.ndarray:
        """For each unit of `level`, the number of the unit of the next higher level that holds it."""
        above = self.levels[self.levels.index(level) + 1]
        held_by = np.empty(self.counts[level], dtype=np.int64)
        held_by[self.codes[level]] = self.codes[above]
        return held_by

    def label(self, level: str, unit: int) -> str:
        """The unit as a message names it: ``class 3 of school 12``."""
        found = self.ids[level][unit]
        if not isinstance(found, tuple):
            return f"{level} {found}"
        named = zip(self.ids[level].names, found)
        return " of ".join(f"{name} {part}" for name, part in reversed(list(named)))


def nest(frame: pd.DataFrame, clusters: Sequence[str], *, within: Collection[str] = ()) -> Units:
    """Read the units of each level, and check that they nest.

    Parameters
    ----------
    frame : DataFrame
    clusters : sequence of str
        Cluster columns, lowest first.
    within : collection of str, optional
        Clusters that the model text itself puts within the next higher one (``school/class`` puts class there): their
        identifiers may be reused in any pattern.

    Returns
    -------
    Units

    Raises
    ------
    DataError
        If a column is not there, has missing identifiers, or crosses the next higher one: the rule is this module's.
    """
    clusters = tuple(clusters)
    if len(set(clusters)) < len(clusters):
        raise DataError(f"a cluster column is named twice: {', '.join(clusters)}")
    own = {name: _identifiers(frame, name) for name in clusters}
    codes: dict[str, np.ndarray] = {}
    ids: dict[str, Any] = {}
    notes: list[str] = []
    above: str | None = None
    for name in reversed(clusters):
        if above is None:
            codes[name], ids[name] = own[name]
        else:
            codes[name], ids[name], reused = _within(name, above, own[name], (codes[above], ids[above]), name in within)
            if reused:
                notes.append(
                    f"identifiers of '{name}' are reused across '{above}' and read as nested: "
                    f"{len(ids[name])} units, from {len(own[name][1])} identifiers"
                )
        above = name
    counts = {name: len(ids[name]) for name in clusters}
    notes += _sparse(clusters, counts, len(frame))
    return Units(
        levels=clusters,
        codes={name: codes[name] for name in clusters},
        ids={name: ids[name] for name in clusters},
        counts=counts,
        n_rows=len(frame),
        notes=tuple(notes),
    )


def order_levels(frame: pd.DataFrame, names: Sequence[str], *, within: Mapping[str, str] | None = None) -> tuple:
    """The cluster columns, lowest first, by which of them nests in which.

    Parameters
    ----------
    frame : DataFrame
    names : sequence of str
        In any order; of two columns with the same units the one named first is the lower.
    within : mapping, optional
        What the model text says: ``{"class": "school"}`` for ``school/class``.

    Returns
    -------
    tuple of str

    Raises
    ------
    DataError
        If two columns nest in neither direction.
    """
    within = dict(within or {})
    own = {name: _identifiers(frame, name) for name in dict.fromkeys(names)}

    def declared_below(lower: str, higher: str) -> bool:
        seen = set()
        while lower in within and lower not in seen:
            seen.add(lower)
            lower = within[lower]
            if lower == higher:
                return True
        return False

    def below(lower: str, higher: str) -> bool:
        if declared_below(lower, higher) or declared_below(higher, lower):
            return declared_below(lower, higher)
        if _nests(own[lower], own[higher]) or _nests(own[higher], own[lower]):
            return _nests(own[lower], own[higher])
        counters = _counts_within(own[lower], own[higher]), _counts_within(own[higher], own[lower])
        if counters[0] == counters[1]:
            raise _crossed(lower, higher, own[lower], own[higher], unordered=counters[0])
        return counters[0]

    ordered: list[str] = []
    for name in own:
        place = next((i for i, other in enumerate(ordered) if below(name, other) and not below(other, name)),
                     len(ordered))
        for other in ordered[place:]:
            if not below(name, other):
                raise _crossed(name, other, own[name], own[other])
        ordered.insert(place, name)
    return tuple(ordered)


Identified = tuple[np.ndarray, Any]


def _identifiers(frame: pd.DataFrame, name: str) -> Identified:
    """Codes of a cluster column in sorted order of its identifiers, and the identifiers."""
    import pandas as pd

    values = column(frame, name, "cluster column")
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    missing = values.isna().to_numpy()
    if missing.any():
        rows = [str(label) for label in frame.index[missing][:5]]
        raise DataError(
            f"cluster column '{name}' has {missing.sum()} missing identifiers, in row {', '.join(rows)}"
            + (", ..." if missing.sum() > 5 else ""),
            remedy="Every row belongs to one unit of each level: complete the identifiers, or leave these rows out.",
        )
    if pd.api.types.is_float_dtype(values.dtype) and np.isinf(values.to_numpy(dtype=float)).any():
        row = frame.index[np.isinf(values.to_numpy(dtype=float))][0]
        raise DataError(f"cluster column '{name}', row {row}: an identifier is infinite",
                        remedy="Correct it, or leave this row out.")
    try:
        codes, found = pd.factorize(values, sort=True)
    except TypeError as failure:
        raise DataError(f"identifiers of cluster column '{name}' cannot be sorted: {failure}",
                        remedy="Give all of them one type, for example text.") from failure
    return codes.astype(np.int64, copy=False), pd.Index(found, name=name)


def _within(name: str, above: str, own: Identified, higher: Identified, declared: bool):
    """Codes and identifiers of the units of `name` within those of `above`, and whether identifiers are reused."""
    import pandas as pd

    codes, ids = own
    parents, parent_ids = higher
    pairs = parents * len(ids) + codes
    unit, found = pd.factorize(pairs, sort=True)
    unit = unit.astype(np.int64, copy=False)
    own_of_unit, parent_of_unit = found % len(ids), found // len(ids)
    if len(found) == len(ids):
        return unit, ids[own_of_unit], False
    if not declared and not _counts_within(own, higher):
        raise _crossed(name, above, own, higher)
    above_ids = parent_ids[parent_of_unit]
    parts = [above_ids.get_level_values(i) for i in range(above_ids.nlevels)]
    names = [*above_ids.names, name]
    return unit, pd.MultiIndex.from_arrays([*parts, ids[own_of_unit]], names=names), True


def _nests(lower: Identified, higher: Identified) -> bool:
    """Whether each unit of the lower column lies in one unit of the higher one."""
    codes, ids = lower
    holder = np.empty(len(ids), dtype=np.int64)
    holder[codes] = higher[0]
    return bool((holder[codes] == higher[0]).all())


def _counts_within(lower: Identified, higher: Identified) -> bool:
    """Whether the lower column is seen to count anew within each higher unit (the module's second rule)."""
    codes, ids = lower
    place = _counting_order(ids)
    if place is None:
        return False
    n_parents = len(higher[1])
    cells = np.unique(higher[0] * len(ids) + codes)
    own, parent = cells % len(ids), cells // len(ids)
    held = np.bincount(parent, minlength=n_parents)
    last = np.zeros(n_parents, dtype=np.int64)
    np.maximum.at(last, parent, place[own] + 1)
    lacking, gaps = (len(ids) - held).sum(), (last - held).sum()
    return bool((held == len(ids)).mean() < COMPLETE and gaps <= GAPS * lacking)


def _counting_order(ids: Any) -> np.ndarray | None:
    """Place of each identifier in counting: whole numbers from 0 or 1 on, or short labels (A, 2b); None if neither."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(ids):
        return None
    if pd.api.types.is_numeric_dtype(ids):
        values = np.asarray(ids, dtype=float)
        counted = values.min() in (0.0, 1.0) and np.array_equal(values, values.min() + np.arange(len(values)))
        return np.arange(len(ids)) if counted else None
    if not all(isinstance(label, str) and len(label.strip()) <= 3 for label in ids):
        return None
    place = np.empty(len(ids), dtype=np.int64)
    # 2 before 10, Z before AA
    place[sorted(range(len(ids)), key=lambda k: (len(ids[k].strip()), ids[k]))] = np.arange(len(ids))
    return place


def _crossed(
    lower_name: str, higher_name: str, lower: Identified, higher: Identified, unordered: bool = False
) -> DataError:
    """The error of columns that cross; `unordered` where either could count within the other."""
    if _nests(higher, lower):
        return DataError(
            f"'{higher_name}' lies within '{lower_name}', not the other way round",
            remedy=f"Cluster columns are listed lowest first: [\"{higher_name}\", \"{lower_name}\"].",
        )
    codes, ids = lower
    cells = np.unique(codes * len(higher[1]) + higher[0])
    own, parent = cells // len(higher[1]), cells % len(higher[1])
    spread = np.bincount(own, minlength=len(ids))
    several = np.flatnonzero(spread > 1)
    examples = []
    for unit in several[:3]:
        homes = [str(home) for home in higher[1][parent[own == unit]][:3]]
        examples.append(f"{lower_name} {ids[unit]} in {higher_name} {', '.join(homes)}"
                        + (", ..." if spread[unit] > 3 else ""))
    return DataError(
        f"cluster columns '{lower_name}' and '{higher_name}' cross: {len(several)} of {len(ids)} values of "
        f"'{lower_name}' occur in several values of '{higher_name}' ({'; '.join(examples)})",
        remedy=f"Levels must nest. If these are different units, numbered anew within each '{higher_name}', say so "
        f"with (1 | {higher_name}/{lower_name}) in the model (1 | {lower_name}/{higher_name} the other way round), "
        + ("list the columns lowest first in cluster=, " if unordered else "")
        + "or give each unit an identifier of its own, for example both columns joined. If they are the same units, "
        "keep one column as the cluster and take the other as a covariate (a factor).",
    )


def _sparse(clusters: tuple[str, ...], counts: Mapping[str, int], n_rows: int) -> list[str]:
    notes = []
    below, n_below = "row", n_rows
    for name in clusters:
        if counts[name] == n_below and n_below > 1:
            held = "row" if below == "row" else f"unit of level '{below}'"
            notes.append(
                f"each unit of level '{name}' holds a single {held}: what varies over the one cannot be told from what "
                "varies over the other"
            )
        if counts[name] == 1:
            notes.append(f"level '{name}' has a single unit: no variance over '{name}' can be estimated")
        below, n_below = name, counts[name]
    return notes
