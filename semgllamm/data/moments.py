"""Sample moments in place of rows: covariance matrices, means and numbers of rows, one of each a group.

A Gaussian model sees no more of its rows than their moments. Rows that have given moments exactly are

    Z = 1m' + √(n − 1) Q L',   S = LL',   Q_ik = √(2/n) cos(π(i + ½)k/n),   k = 1, …, p < n,

for the columns of Q, those of the discrete cosine transform (Ahmed, Natarajan & Rao 1974), are orthonormal, and
orthogonal to the constant 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from semgllamm.diagram.families import is_linear, with_link
from semgllamm.errors import DataError, ModelError

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.diagram.diagram import PathDiagram

__all__ = ["SampleMoments", "covariance_matrix", "sample_moments"]

ASYMMETRY = 1e-6  # largest difference of S_ij and S_ji, in units of the standard deviations, that is rounding
SINGULAR = 1e-10  # smallest eigenvalue of a correlation matrix that is not called singular
LOADS = 0.3  # a variable is named where its loading on the eigenvector is this large
GROUP = "group"


@dataclass(frozen=True)
class SampleMoments:
    """What is known of a sample of which the rows are not at hand, one entry a group.

    Attributes
    ----------
    names : tuple of str
    covariances : tuple of (p, p) arrays
        With divisor n − 1.
    means : tuple of (p,) arrays or None
    counts : tuple of int
    labels : tuple of str
        Labels of the groups; one empty label without groups.
    """

    names: tuple[str, ...]
    covariances: tuple[np.ndarray, ...]
    means: tuple[np.ndarray, ...] | None
    counts: tuple[int, ...]
    labels: tuple[str, ...] = ("",)

    def frame(self, diagram: PathDiagram, group: str | None = None) -> tuple[pd.DataFrame, str | None]:
        """Rows that have these moments, in the variables of a diagram, and the name of their column of groups.

        Raises
        ------
        DataError
            If the covariances of these variables are not those of any rows.
        ModelError
            If the diagram needs more than moments: clusters, products of variables, responses that are not Gaussian.
        """
        import pandas as pd

        self._check_diagram(diagram)
        wanted = {*diagram.responses, *diagram.covariates}
        used = [k for k, name in enumerate(self.names) if name in wanted]
        names = [self.names[k] for k in used]
        if len(self.labels) > 1 or self.labels[0]:
            group = group or GROUP
            while group in self.names:
                group = f".{group}"
        parts = []
        for g, (S, n, label) in enumerate(zip(self.covariances, self.counts, self.labels)):
            mean = None if self.means is None else self.means[g][used]
            part = pd.DataFrame(_rows(S[np.ix_(used, used)], mean, n, names, _where(label)), columns=names)
            parts.append(part if group is None else part.assign(**{group: label}))
        return pd.concat(parts, ignore_index=True), group

    def _check_diagram(self, diagram: PathDiagram) -> None:
        if diagram.random_terms or diagram.clusters or any(path.block.level for path in diagram.paths):
            raise ModelError("a model with clusters needs rows of data, not sample moments")
        for path in diagram.paths:
            if ":" in path.rhs and path.op in ("~", "<~"):
                raise ModelError(
                    f"the product {path.rhs} needs rows of data, not sample moments", text=diagram.text, span=path.span,
                    remedy="Give the product a name and a row of its own in sample_cov.",
                )  # fmt: skip
        for choice in diagram.families:
            if not is_linear(choice.family):
                family = with_link(choice.family)
                raise ModelError(
                    f"'{choice.response}' is {family.name}({family.link}): it needs rows of data, not sample moments",
                    text=diagram.text, span=choice.span,
                )  # fmt: skip


def sample_moments(
    covariance: Any, mean: Any = None, count: Any = None, group_labels: Sequence[str] | None = None
) -> SampleMoments:
    """The arguments ``sample_cov``, ``sample_mean`` and ``sample_nobs``, checked.

    Parameters
    ----------
    covariance : DataFrame, (p, p) array, or list or dict of them
        Covariances with divisor n − 1. An array has the names of `mean`.
    mean : Series, mapping, (p,) array, or list or dict of them, optional
    count : int, or list or dict of them
        Numbers of rows.
    group_labels : sequence of str, optional
        Names of the groups of lists; of dicts, their order, and which of them are used.

    Raises
    ------
    DataError
    """
    several = isinstance(covariance, list | tuple | Mapping) and not _is_square_list(covariance)
    if several:
        labels = _labels(covariance, group_labels)
        matrices = _of_groups(covariance, labels, "sample_cov")
        means = None if mean is None else _of_groups(mean, labels, "sample_mean")
        counts = None if count is None else _of_groups(count, labels, "sample_nobs")
    else:
        labels, matrices = ("",), [covariance]
        means, counts = (None if mean is None else [mean]), (None if count is None else [count])
    if counts is None:
        raise DataError("sample_cov is given without sample_nobs", remedy="Say how many rows it is from: sample_nobs=.")
    names: tuple[str, ...] | None = None
    read, read_means = [], []
    for g, label in enumerate(labels):
        where = _where(label)
        own, S = _matrix(matrices[g], None if means is None else means[g], where)
        if names is not None and set(own) != set(names):
            odd = next(iter(set(own) ^ set(names)))
            raise DataError(f"'{odd}' is not in the sample_cov of every group", remedy="All groups have one model.")
        names = names or own
        order = [own.index(name) for name in names]
        read.append(S[np.ix_(order, order)])
        if means is not None:
            read_means.append(_mean(means[g], own, where)[order])
    sizes = tuple(_count(n, _where(label)) for n, label in zip(counts, labels))
    return SampleMoments(names, tuple(read), tuple(read_means) if means is not None else None, sizes, labels)


def covariance_matrix(
    given: str | Any, names: Iterable[str] | None = None, sds: Iterable[float] | Mapping[str, float] | None = None,
    diagonal: bool = True, lower: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """A covariance matrix from a triangle as printed in an article, or from correlations and standard deviations.

    Parameters
    ----------
    given : str, or a square DataFrame or array
        The numbers of one triangle row by row, apart by blanks, commas, semicolons or ends of lines; or a whole matrix.
    names : sequence of str, optional
        Of the variables; by default those of a DataFrame, else V1, V2, …
    sds : sequence of float, or Series or mapping of name to float, optional
        Standard deviations s_i: `given` then has correlations r_ij, and the covariances are s_i r_ij s_j.
    diagonal : bool
        Whether the text has the diagonal; without it, it is 1.
    lower : bool
        Whether the text has the lower triangle, or the upper one.

    Returns
    -------
    DataFrame
        (p, p), named on both sides.

    Raises
    ------
    DataError
        If something in the text is no number, the numbers do not fill a triangle, a matrix is not symmetric, or names
        or standard deviations are too many or too few.

    Examples
    --------
    >>> import semgllamm as sg
    >>> sg.covariance_matrix("4 2 9", names=["x", "y"])
         x    y
    x  4.0  2.0
    y  2.0  9.0
    >>> sg.covariance_matrix("1 .5 1", names=["x", "y"], sds=[2, 3], lower=False)
         x    y
    x  4.0  3.0
    y  3.0  9.0
    """
    import pandas as pd

    names = None if names is None else tuple(map(str, names))
    if isinstance(given, str):
        S = _triangle(given, names, diagonal, lower)
        names = tuple(f"V{k + 1}" for k in range(len(S))) if names is None else names
    else:
        if not (diagonal and lower):
            raise DataError("diagonal and lower are for the text of a triangle, not for a matrix")
        frame = given if isinstance(given, pd.DataFrame) else pd.DataFrame(np.atleast_2d(given))
        if names is not None or not isinstance(given, pd.DataFrame):
            own = tuple(f"V{k + 1}" for k in range(len(frame))) if names is None else names
            if frame.shape != (len(own), len(own)):
                raise DataError(f"the matrix is {' by '.join(map(str, frame.shape))} for {len(own)} names")
            frame = frame.set_axis(list(own), axis=0).set_axis(list(own), axis=1)
        names, S = _matrix(frame, None, "", "the matrix")
    _check_names(names, "names")
    if sds is not None:
        S = _scaled(S, names, sds)
    return pd.DataFrame(S, index=list(names), columns=list(names))


def _triangle(text: str, names: tuple[str, ...] | None, diagonal: bool, lower: bool) -> np.ndarray:
    """The symmetric matrix of which a text has one triangle."""
    numbers = []
    for word in re.split(r"[\s,;]+", text.strip(" \t\r\n,;")):
        try:
            numbers.append(float(word))
        except ValueError:
            raise DataError(f"'{word}' in the text of the matrix is not a number") from None
    # p(p + 1)/2 with the diagonal, p(p - 1)/2 without
    p = round((2 * len(numbers) + 0.25) ** 0.5 + (-0.5 if diagonal else 0.5))
    size = p * (p + 1) // 2 if diagonal else p * (p - 1) // 2
    wanted = p if names is None else len(names)
    if size != len(numbers) or wanted != p:
        needed = wanted * (wanted + 1) // 2 if diagonal else wanted * (wanted - 1) // 2
        raise DataError(
            f"{len(numbers)} numbers are not the {'lower' if lower else 'upper'} triangle of a matrix"
            + ("" if names is None else f" of {wanted} variables, which has {needed}"),
            remedy="Write it row by row, " + ("diagonal included (or diagonal=False)." if diagonal else "no diagonal."),
        )
    S = np.eye(p)
    if lower:
        S[np.tril_indices(p, 0 if diagonal else -1)] = numbers
        return np.tril(S) + np.tril(S, -1).T
    S[np.triu_indices(p, 0 if diagonal else 1)] = numbers
    return np.triu(S) + np.triu(S, 1).T


def _scaled(R: np.ndarray, names: tuple[str, ...], sds) -> np.ndarray:
    """s_i r_ij s_j."""
    if hasattr(sds, "items"):
        found = {str(name): value for name, value in sds.items()}
        for name in names:
            if name not in found:
                raise DataError(f"sds has no '{name}'")
        sds = [found[name] for name in names]
    sds = np.asarray(tuple(sds), dtype=float)
    if len(sds) != len(names):
        raise DataError(f"there are {len(sds)} standard deviations for {len(names)} variables")
    if (~(sds > 0)).any():
        raise DataError(f"the standard deviation of '{names[np.argmin(sds > 0)]}' is {sds[np.argmin(sds > 0)]:g}")
    odd = np.flatnonzero(np.diag(R) != 1.0)
    if odd.size:
        raise DataError(
            f"this is no correlation matrix: '{names[odd[0]]}' has {R[odd[0], odd[0]]:g} on the diagonal",
            remedy="Leave sds out for covariances.",
        )
    return R * np.outer(sds, sds)


# ---------------------------------------------------------------------------------------------- groups


def _is_square_list(value) -> bool:
    """Whether a list is one matrix, written as rows of numbers."""
    return isinstance(value, list | tuple) and all(np.ndim(row) == 1 for row in value)


def _labels(covariance, group_labels) -> tuple[str, ...]:
    if isinstance(covariance, Mapping):
        known = tuple(map(str, covariance))
        chosen = known if group_labels is None else tuple(map(str, group_labels))
        for label in chosen:
            if label not in known:
                raise DataError(f"sample_cov has no group '{label}'", remedy=f"It has {', '.join(known)}.")
        return chosen
    if group_labels is not None and len(group_labels) != len(covariance):
        raise DataError(f"group_label names {len(group_labels)} groups, sample_cov has {len(covariance)}")
    return tuple(map(str, group_labels or (f"Group {g + 1}" for g in range(len(covariance)))))


def _of_groups(value, labels: tuple[str, ...], argument: str) -> list:
    if isinstance(value, Mapping):
        found = {str(label): entry for label, entry in value.items()}
        for label in labels:
            if label not in found:
                raise DataError(f"{argument} has nothing for group '{label}'")
        return [found[label] for label in labels]
    entries = list(value) if isinstance(value, list | tuple | np.ndarray) else [value]
    if len(entries) != len(labels):
        raise DataError(f"{argument} has {len(entries)} entries for {len(labels)} groups", remedy="Give one a group.")
    return entries


def _where(label: str) -> str:
    return f" of group '{label}'" if label else ""


# ---------------------------------------------------------------------------------------------- one group


def _matrix(value, mean, where: str, called: str = "sample_cov") -> tuple[tuple[str, ...], np.ndarray]:
    """Names and values of a covariance matrix."""
    import pandas as pd

    what = f"{called}{where}"
    if isinstance(value, pd.DataFrame):
        names, rows = tuple(map(str, value.columns)), tuple(map(str, value.index))
        _check_names(names, what)
        if set(rows) != set(names):
            if rows != tuple(map(str, range(len(rows)))):
                odd = next(iter(set(rows) ^ set(names)))
                raise DataError(f"'{odd}' names a row or a column of {what}, but not both")
        else:
            value = value.set_axis(list(rows), axis=0).set_axis(list(names), axis=1).loc[list(names)]
    elif isinstance(mean, pd.Series | Mapping):
        names = tuple(map(str, mean.keys()))
    else:
        raise DataError(
            f"{what} has no names",
            remedy="Give a DataFrame (pd.DataFrame(S, names, names)), or read it with covariance_matrix().",
        )
    try:
        S = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{what} is no matrix of numbers") from None
    if S.shape != (len(names), len(names)):
        raise DataError(f"{what} is {' by '.join(map(str, S.shape))} for {len(names)} names")
    bad = np.argwhere(~np.isfinite(S))
    if bad.size:
        raise DataError(f"{what} is {S[tuple(bad[0])]:g} at '{names[bad[0][0]]}', '{names[bad[0][1]]}'")
    low = np.flatnonzero(np.diag(S) <= 0)
    if low.size:
        raise DataError(f"the variance of '{names[low[0]]}' in {what} is {S[low[0], low[0]]:g}")
    scale = np.sqrt(np.diag(S))
    gap = np.abs(S - S.T) / np.outer(scale, scale)
    if gap.max() > ASYMMETRY:
        i, j = np.unravel_index(np.argmax(gap), gap.shape)
        raise DataError(
            f"{what} is not symmetric: it is {S[i, j]:g} at '{names[i]}', '{names[j]}' and {S[j, i]:g} the other way",
            remedy="From a lower triangle make it with covariance_matrix().",
        )
    return names, (S + S.T) / 2


def _check_names(names: tuple[str, ...], what: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{what} has '{repeated[0]}' twice", remedy="Give each variable a name of its own.")


def _mean(value, names: tuple[str, ...], where: str) -> np.ndarray:
    import pandas as pd

    what = f"sample_mean{where}"
    if isinstance(value, pd.Series | Mapping):
        found = {str(name): entry for name, entry in value.items()}
        for name in names:
            if name not in found:
                near = get_close_matches(name, found, n=1)
                raise DataError(f"{what} has no '{name}'", remedy=f"It has '{near[0]}'." if near else None)
        value = [found[name] for name in names]
    mean = np.asarray(value, dtype=float)
    if mean.shape != (len(names),):
        raise DataError(f"{what} has {mean.size} values for the {len(names)} variables of sample_cov")
    if not np.isfinite(mean).all():
        raise DataError(f"{what} of '{names[np.argmin(np.isfinite(mean))]}' is not a finite number")
    return mean


def _count(value, where: str) -> int:
    whole = isinstance(value, Integral | np.integer) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or value < 2:
        raise DataError(f"sample_nobs{where} is {value!r}", remedy="Give the number of rows, 2 or more.")
    return int(value)


def _rows(S: np.ndarray, mean: np.ndarray | None, n: int, names: list[str], where: str) -> np.ndarray:
    """(n, p): rows with the covariances S and these means."""
    p = len(names)
    if n <= p:
        raise DataError(
            f"{n} rows{where} are too few for {p} variables",
            remedy=f"The covariance matrix of {p} variables needs {p + 1} rows or more.",
        )
    check_positive(S, names, f"sample_cov{where}")
    k = np.arange(1, p + 1)
    Q = np.sqrt(2 / n) * np.cos(np.pi * (np.arange(n)[:, None] + 0.5) * k / n)
    rows = np.sqrt(n - 1) * Q @ np.linalg.cholesky(S).T
    return rows if mean is None else rows + mean


def check_positive(S: np.ndarray, names: Sequence[str], what: str) -> None:
    """Refuse a covariance matrix that is not positive definite, and name the variables that make it so.

    Raises
    ------
    DataError
    """
    if not len(S):
        return
    scale = np.sqrt(np.diag(S))
    values, vectors = np.linalg.eigh(S / np.outer(scale, scale))
    if values[0] < SINGULAR:
        guilty = [name for name, x in zip(names, vectors[:, 0]) if abs(x) > LOADS]
        kind = "not positive definite" if values[0] < -SINGULAR else "singular"
        raise DataError(
            f"{what} is {kind}: its correlation matrix has the eigenvalue {values[0]:.3g}, at {', '.join(guilty)}",
            remedy="Look for a misprint, or for variables that are sums of others." if values[0] < -SINGULAR else
            "One of them is a combination of the others: leave it out.",
        )  # fmt: skip
