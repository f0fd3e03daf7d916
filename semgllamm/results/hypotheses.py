"""Tests of hypotheses at the estimates: Wald's, of any equations among parameters, and score tests of what is fixed.

Of k hypotheses h(θ) = 0 with Jacobian J, Wald's statistic is h'(JVJ')⁻¹h (Wald 1943), V the covariance matrix of the
estimates. A score test releases constraints: with s and I the score and the expected information about all cells and K
a basis of the cells' directions that the constraints still in force leave, the statistic is

    s'K (K'IK)⁻¹ K's

(Rao 1948; with constraints, Silvey 1959). Both are chi-squared with as many degrees of freedom as equations. For fits
by integration, and where it is asked for, I is the observed information or the outer product of the units' scores in
the larger model (`semgllamm.estimation.opened`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from semgllamm.diagram.expressions import evaluate, gradient, names
from semgllamm.diagram.parts import Constraint, Parameter
from semgllamm.errors import EstimationError, ModelError
from semgllamm.estimation.gaussian import GaussianLikelihood

if TYPE_CHECKING:
    import pandas as pd

    from semgllamm.diagram.diagram import PathDiagram
    from semgllamm.results.fit import Fit

__all__ = ["HypothesisTest", "score_test", "wald_test"]

SCARCE = 1e-4  # such an eigenvalue of an information of posterior moments, or of scores, which have errors of their own
SINGULAR = 1e-10  # eigenvalue, relative to the largest, of a matrix that is not inverted in that direction


@dataclass(frozen=True)
class HypothesisTest:
    """A chi-squared test.

    Attributes
    ----------
    kind : str
        "Wald" or "score".
    stat : float
    df : int
    pvalue : float
    each : DataFrame or None
        Of a score test each equation by itself: lhs, op, rhs, stat, df, pvalue and, of added parameters, epc, the
        expected change when it alone is free.
    information : {"expected", "observed", "first.order"} or None
        Which information a score test has.
    """

    kind: str
    stat: float
    df: int
    pvalue: float
    each: pd.DataFrame | None = None
    information: str | None = None

    def __str__(self) -> str:
        line = f"{self.kind} test: chi-squared = {self.stat:.3f}, df = {self.df}, p = {self.pvalue:.3f}"
        return line if self.each is None else f"{line}\n{self.each.to_string(index=False)}"

    __repr__ = __str__


def _tail(stat: float, df: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(df, stat))


# ---- equations --------------------------------------------------------------------------------------------------


def _jacobian(
    constraints: Sequence[Constraint], diagram: PathDiagram, text: str, values: dict[str, float],
    place: dict[str, int], n: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """h (k,) and ∂h (k, n) of equations left == right; `place` says which parameter a name is."""
    values = dict(values)
    slopes = {name: np.eye(n)[k] if k >= 0 else np.zeros(n) for name, k in place.items()}

    def slope(expression) -> np.ndarray:
        found = gradient(expression, values)
        return sum((s * slopes[name] for name, s in found.items() if name in slopes), np.zeros(n))

    for definition in diagram.definitions:
        values[definition.name] = evaluate(definition.expression, values)
        slopes[definition.name] = slope(definition.expression)
    h, J = [], []
    for constraint in constraints:
        for name in (*names(constraint.left), *names(constraint.right)):
            if name not in values:
                raise ModelError(
                    f"No parameter has the label or name '{name}'", text=text, span=constraint.span,
                    remedy="Use labels, or automatic names in backticks: `f=~x2`.",
                )  # fmt: skip
        h.append(evaluate(constraint.left, values) - evaluate(constraint.right, values))
        J.append(slope(constraint.left) - slope(constraint.right))
    return np.array(h), np.array(J).reshape(len(h), n)


def wald_test(fit: Fit, hypotheses: str) -> HypothesisTest:
    """Wald's test; see `Fit.wald_test`."""
    from semgllamm.syntax.build import read

    constraints = read(hypotheses).constraints
    if not constraints:
        raise ModelError("there is no hypothesis to test", text=hypotheses, remedy='Write equations: "a == b; c == 0".')
    for constraint in constraints:
        if constraint.op != "==":
            raise ModelError(
                f"Wald's test is of equations, not of '{constraint.op}'", text=hypotheses, span=constraint.span
            )
    h, J = _jacobian(constraints, fit.diagram, hypotheses, fit.label_values, fit._label_numbers, fit.model.n_parameters)
    for row, constraint in zip(J, constraints):
        if not row.any():
            raise ModelError(
                "this hypothesis names fixed parameters only", text=hypotheses, span=constraint.span
            )  # fmt: skip
    used = (J != 0).any(axis=0)
    V = fit._vcov_cells[np.ix_(used, used)]
    if np.isnan(V).any() or not np.isfinite(h).all():
        raise EstimationError("standard errors of these parameters are withheld, and so is the test")
    middle = J[:, used] @ V @ J[:, used].T
    scale = np.sqrt(np.diag(middle))
    if not (scale > 0).all() or np.linalg.eigvalsh(middle / np.outer(scale, scale))[0] < SINGULAR:
        raise ModelError(
            "the hypotheses are not independent: one of them follows from the others or from the model's constraints",
            text=hypotheses,
        )
    stat = float(h @ np.linalg.solve(middle, h))
    return HypothesisTest("Wald", stat, len(h), _tail(stat, len(h)))


# ---- score tests ------------------------------------------------------------------------------------------------


def score_test(
    fit: Fit, release: Sequence[int] | int | None = None, add: str | None = None, information: str | None = None
) -> HypothesisTest:
    """The score test; see `Fit.score_test`."""
    import pandas as pd

    from semgllamm.results.wider import null_space

    if add is not None and release is not None:
        raise ModelError("a score test adds parameters or releases constraints, not both")
    if add is not None:
        shown, R, tested, wider, new = _added(fit, add, information)
    else:
        shown, R, tested, wider = _released(fit, release, information)
        new = None
    score, matrix, chain = wider.score, wider.information, wider.chain
    R = R @ chain
    kind, least = wider.kind, SINGULAR if wider.kind == "expected" else SCARCE
    free = null_space(np.delete(R, tested, axis=0))
    if wider.otherwise is not None and _spectrum(free.T @ matrix @ free)[1][0] < -least:
        kind, matrix = "first.order", wider.otherwise()

    def statistic(rows) -> tuple[float, np.ndarray, int]:
        """With the step, and the number of directions of which the data say something."""
        K = null_space(np.delete(R, rows, axis=0))
        scale, values, vectors = _spectrum(K.T @ matrix @ K)
        keep = values > least * values[-1]
        along = vectors[:, keep].T @ (K.T @ score / scale)
        step = K @ (vectors[:, keep] @ (along / values[keep]) / scale)
        return wider.counted * float(score @ step), chain @ step, int(keep.sum())

    total, _, directions = statistic(tested)
    df = len(tested)
    if kind != "expected":
        df = directions - statistic([])[2]
    rows = []
    for k, row in enumerate(tested):
        stat, step, _ = statistic([row])
        one = (*shown[k], stat, 1, _tail(stat, 1))
        rows.append(one if new is None else (*one, step[new[k]]))
    columns = ["lhs", "op", "rhs", "stat", "df", "pvalue"] + ([] if new is None else ["epc"])
    table = pd.DataFrame(rows, columns=columns)
    return HypothesisTest("score", total, df, _tail(total, df), table, kind)


def _spectrum(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales, and eigenvalues and vectors of the matrix whose diagonal they make 1 or −1."""
    scale = np.sqrt(np.abs(np.diag(matrix)))
    scale[scale == 0.0] = 1.0
    return scale, *np.linalg.eigh(matrix / np.outer(scale, scale))


def _added(fit: Fit, add: str, information: str | None):
    """What is shown, the equations, those tested, the wider model and its numbers: of parameters that are added."""
    from semgllamm.model.lower import level_index
    from semgllamm.results.wider import in_force, wider
    from semgllamm.syntax.build import read

    said = read(add)
    q, levels = fit.model.n_parameters, fit.model.levels

    def place_of(row: Parameter) -> tuple:
        ends = frozenset((row.lhs, row.rhs)) if row.op == "~~" else (row.lhs, row.rhs)
        return row.op, ends, row.group, level_index(row.level, levels)

    places = [(place_of(row), row, number) for row, number in zip(fit.diagram.parameters, fit.model.rows)]
    taken = {place for place, _, number in places if number >= 0}
    fixed = {place: row.fixed for place, row, number in places if number < 0 and not row.exogenous}
    known = {name for row in fit.diagram.parameters for name in (row.lhs, row.rhs)}
    closed = isinstance(fit.likelihood, GaussianLikelihood)  # variances may be estimated below 0 there
    rows: list[Parameter] = []
    for path in said.paths:
        for name in filter(None, (path.lhs, path.rhs)):
            if name not in known:
                raise ModelError(f"the model has no variable '{name}'", text=add, span=path.span)
        level = said.level_of(path.block)
        if level not in (None, *levels) and len(levels) > 1:
            level = levels[level_index(level, levels)]
        for group in range(1, fit.model.n_groups + 1):
            row = Parameter(path.lhs, path.op, path.rhs, group=group, level=level, label=f".added{len(rows)}.")
            if (given := _given(fit, row, information)) is not None:
                message = f"covariate '{given}' is given here, and cannot be explained"
                raise ModelError(message, text=add, span=path.span)
            place = place_of(row)
            if place in taken:
                raise ModelError(f"{path.lhs} {path.op} {path.rhs} is free already", text=add, span=path.span)
            if path.op == "~~" and path.lhs == path.rhs and not (fixed.get(place) or closed):
                raise ModelError(
                    f"{row.name} is a variance of 0, on the boundary, where the log-likelihood has no slope in the "
                    "standard deviation", text=add, span=path.span, remedy="Fit the larger model, and compare().",
                )  # fmt: skip
            rows.append(replace(row, start=fixed.get(place)))
    if not rows:
        raise ModelError("there is no parameter to add", text=add, remedy='Write terms: "f =~ x4; x1 ~~ x2".')
    found = wider(fit, information, rows)
    n, new = found.model.n_parameters, found.extra_numbers
    held = in_force(fit)  # what constraints forbid
    R = np.zeros((len(held) + len(new), n))
    R[: len(held), :q] = held
    tested = list(range(len(held), len(R)))
    R[tested, new] = 1.0
    shown = [(row.full_name, "==", f"{row.start or 0:g}") for row in rows]
    return shown, R, tested, found, new


def _given(fit: Fit, row: Parameter, information: str | None) -> str | None:
    """The covariate that a row would explain, where covariates are given."""
    from semgllamm.results.modification import given_covariate
    from semgllamm.results.wider import by_expectation

    if by_expectation(fit, information):
        return given_covariate(fit.likelihood, row)
    explained = {row.lhs, row.rhs} if row.op == "~~" else {row.rhs} if row.op == "=~" else {row.lhs}
    has_model = {response.name for response in fit.model.responses} | set(fit.model.eta)
    return next((name for name in sorted(explained) if name not in has_model), None)


def _released(fit: Fit, release, information: str | None):
    """The same of constraints that are released: cells that share a label, and written equations."""
    from semgllamm.results.wider import wider

    found = wider(fit, information, apart=True)
    kept = [(row, number) for row, number in zip(fit.diagram.parameters, fit.model.rows) if not row.exogenous]
    n = found.model.n_parameters
    first: dict[int, tuple[Parameter, int]] = {}
    shared: dict[int, list[tuple[Parameter, int]]] = {}
    for (row, number), new in zip(kept, found.row_numbers):
        if number >= 0:
            if number in first:
                shared[number].append((row, new))
            else:
                first[number], shared[number] = (row, new), []
    shown, R = [], []
    for number, others in shared.items():
        row, new = first[number]
        for other, its_own in others:
            equation = np.zeros(n)
            equation[new], equation[its_own] = 1.0, -1.0
            R.append(equation)
            shown.append((_called(row), "==", _called(other)))
    place = {name: first[k][1] if k >= 0 else -1 for name, k in fit._label_numbers.items()}
    written = [c for c in fit.diagram.constraints if c.op == "=="]
    if written:
        _, J = _jacobian(written, fit.diagram, fit.diagram.text, fit.label_values, place, n)
        R = [*J, *R]
        shown = [(_words(fit, c.left.span), "==", _words(fit, c.right.span)) for c in written] + shown
    if not R:
        raise ModelError("the model has no equality constraints to release", remedy='Add parameters: add="f =~ x4".')
    tested = _chosen(release, len(R))
    return [shown[k] for k in tested], np.array(R), tested, found


def _chosen(release, count: int) -> list[int]:
    if release is None:
        return list(range(count))
    listed = [release] if isinstance(release, int) else list(release)
    for k in listed:
        if not isinstance(k, (int, np.integer)) or not 1 <= k <= count:
            raise ModelError(
                f"there is no constraint {k!r} to release", remedy=f"Constraints count from 1 to {count}, as listed."
            )
    if not listed or len(set(listed)) < len(listed):
        raise ModelError(f"release cannot be {release!r}", remedy="Give the numbers of constraints, each once.")
    return [int(k) - 1 for k in listed]


def _called(row: Parameter) -> str:
    return row.full_name


def _words(fit: Fit, span) -> str:
    """The words of one side of a constraint."""
    if span is None:
        return ""
    lines = fit.diagram.text.splitlines()[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return " ".join("".join(lines).split())
