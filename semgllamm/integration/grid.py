"""The likelihood of units by a grid that all of them share, and the posterior moments that score and information need.

The latent variables η of a unit, one to three of them, are normal with mean μ_i and covariance Σ. On equally spaced
nodes η_q, h_a apart on axis a,

    L_i = Π_a h_a Σ_q N(η_q; μ_i, Σ) Π_j f_j(y_ij | η_q),

where log f is a table: a row for each different answer, over the axes that its item loads on, the item's *support*. By
Poisson's summation formula the rule of equal steps is exact for normal posteriors but for terms exp(−2π²σ²/h²), σ the
posterior standard deviation (Trefethen & Weideman 2014).

Only the nodes count at which the integrand is not negligible. With b_a(q) the sum over a unit's answers of the largest
table value at node q of axis a, and ℓ the log integrand at any one node, nodes are left out where

    b_a(q) − ½(η_q − μ)²/Σ_aa + (the most that answers to items without the axis can add) < ℓ − CUT,

which bounds all of the integrand there; what is left is a box, the unit's window, of some twenty nodes an axis.

Posterior means E_i over the nodes give, with columns x of derivatives of the log complete-data density,

    counts: Σ_i w_i P_i(q) for each row of a table;   x̄_i = E_i[x];   Σ_i w_i E_i[xx'].

A column has a support too. Those of items are derivatives of log f; those of the distribution of η are e_a times 1 and
covariates, e_a² and e_a e_b, with e = η − μ_i. Products of columns with supports S and T need the posterior on S ∪ T.
Those of one axis with itself are left to matrix products (estimation/axis_products.py), for which the posterior of each
axis is kept.
"""

from __future__ import annotations

import math
from itertools import accumulate
from math import prod
from typing import NamedTuple

import numpy as np

from semgllamm.responses import dispatch
from semgllamm.responses.jit import kernel

__all__ = ["AXES", "Answers", "Axes", "Prior", "Supports", "Tables", "Units", "add_rows", "cross_units", "room",
           "stack_units", "sum_of", "sweep_units", "tabulate", "top_of_rows"]  # fmt: skip

AXES = 3
CUT = 25.0  # −log of what may be left out, relative to the integrand at one node
ALL = 7  # the set of all axes
EXTREME = 200.0  # log of a factor beyond which integrands are added up in logs
NONE, IN_NU, IN_TAU1, IN_TAU2 = range(4)  # what a column is the derivative in


class Axes(NamedTuple):
    """The nodes; an axis that is not there has one, at 0."""

    size: np.ndarray  # (3,)
    eta: np.ndarray  # (3, most)


class Supports(NamedTuple):
    """Sets of axes: the single axes first, then the others of items, then pairs without items."""

    has: np.ndarray  # (S, 3) 0 or 1
    stride: np.ndarray  # (S, 3) of a table over the whole grid, 0 for axes not in the set
    column: np.ndarray  # (S + 1,) first column of each
    items: np.ndarray  # (S,) whether items have it


class Answers(NamedTuple):
    """The rows of the tables: the different answers."""

    terms: np.ndarray  # (R,) address of the family's kernel, 0 for answers with several linear predictors
    data: np.ndarray  # (R, 2) y, trials
    support: np.ndarray  # (R,)
    at: np.ndarray  # (R,) where its table begins
    slot: np.ndarray  # (R,) where its derivatives begin
    column: np.ndarray  # (R,) its first column
    kind: np.ndarray  # (R, L) what each of its columns is the derivative in
    factor: np.ndarray  # (R, L) ∂ν/∂(parameter), but for η
    axis: np.ndarray  # (R, L) the axis whose η multiplies it, −1 for none


class Tables(NamedTuple):
    """log f of each answer over its support, its largest value at each node of an axis, and derivatives."""

    log: np.ndarray  # (T,)
    top: np.ndarray  # (R, 3, most)
    slope: np.ndarray  # (T,) ∂log f/∂ν
    second: np.ndarray  # (T, 6) ω, ∂²/∂ν∂τ1, ∂²/∂ν∂τ2, ∂²/∂τ1², ∂²/∂τ1∂τ2, ∂²/∂τ2²
    columns: np.ndarray  # (T × columns,) derivatives in the item's parameters


class Units(NamedTuple):
    """The units: the row of the tables of each item, −1 where it is missing."""

    code: np.ndarray  # (n, items)
    weight: np.ndarray  # (n,)
    covariates: np.ndarray  # (n, 1 + m) 1, and what the means of η depend on


class Prior(NamedTuple):
    """The distribution of η of one group."""

    mean: np.ndarray  # (n, 3) of all units
    precision: np.ndarray  # (3, 3) 0 for axes that are not there
    variance: np.ndarray  # (3,) 1 for these
    constant: float  # Σ log h + ½ log |Σ⁻¹| − ½ dim log 2π


class Room(NamedTuple):
    """What one thread works in, a unit at a time."""

    window: np.ndarray  # (3, 2)
    star: np.ndarray  # (3,)
    e: np.ndarray  # (3, most) η − μ
    bound: np.ndarray  # (S, 3, most)
    level: np.ndarray  # (most,)
    peak: np.ndarray  # (S,)
    part: np.ndarray  # (8,) where the posterior of each set of axes begins, axis a being bit a
    p: np.ndarray  # posteriors over the window
    tilt: np.ndarray  # exp(−K_ab …) of pairs of axes, laid out as their posteriors
    third: np.ndarray  # (3, most) E[e_b e_c; q_a], the product of the two other axes
    other: np.ndarray  # (cells,) of items of a larger support
    at: np.ndarray  # (S + 1,) where the columns of each support begin
    x: np.ndarray  # columns over the window, those of a node together
    projected: np.ndarray  # the same, on the nodes of another support


def room(axes: Axes, supports: Supports, columns: bool) -> Room:
    """Room for the largest windows; with `columns` for what `cross_units` needs too."""
    most, S = axes.eta.shape[1], len(supports.has)
    size = [int(n) for n in axes.size]
    cells = [prod(n for n, has in zip(size, row) if has) for row in supports.has.tolist()]
    widths = [int(n) * columns for n in np.diff(supports.column)]
    at = np.array([0, *accumulate(n * w for n, w in zip(cells, widths))])
    projected = max((cells[s] * widths[t] for s in range(S) for t in range(s + 1, S)), default=0)
    several = bool(supports.items[AXES:].any())
    sets = [prod(size[a] for a in range(AXES) if k >> a & 1) for k in range(8)]
    return Room(
        np.zeros((AXES, 2), np.int64), np.zeros(AXES, np.int64), np.zeros((AXES, most)), np.zeros((S, AXES, most)),
        np.zeros(most), np.zeros(S), np.cumsum(sets) - sets, np.zeros(sum(sets)),
        np.zeros(sum(sets[:-1])), np.zeros((AXES, most)),
        np.zeros(sets[-1] if several else 0), at, np.zeros(at[-1]), np.zeros(projected),
    )  # fmt: skip


# ---- tables ----------------------------------------------------------------------------------------------------------


@kernel
def extents(axes, supports, s):
    """Nodes of each axis of a support, 1 where it has none."""
    n0 = axes.size[0] if supports.has[s, 0] else 1
    n1 = axes.size[1] if supports.has[s, 1] else 1
    n2 = axes.size[2] if supports.has[s, 2] else 1
    return n0, n1, n2


@kernel
def tabulate(axes, supports, answers, predictor, tables):
    """Fill the tables; `predictor` (R, 6) holds f, the three d and τ1, τ2 of each answer. Answers without an address
    have several linear predictors, and their tables from elsewhere."""
    for r in range(len(answers.terms)):
        if answers.terms[r] == 0:
            continue
        s = answers.support[r]
        n0, n1, n2 = extents(axes, supports, s)
        f, tau1, tau2 = predictor[r, 0], predictor[r, 4], predictor[r, 5]
        k = answers.at[r]
        L = answers.kind.shape[1]
        c = answers.slot[r]
        for q0 in range(n0):
            nu0 = f + predictor[r, 1] * axes.eta[0, q0] if supports.has[s, 0] else f
            for q1 in range(n1):
                nu1 = nu0 + predictor[r, 2] * axes.eta[1, q1] if supports.has[s, 1] else nu0
                for q2 in range(n2):
                    nu = nu1 + predictor[r, 3] * axes.eta[2, q2] if supports.has[s, 2] else nu1
                    t = dispatch.terms(answers.terms[r], answers.data[r, 0], answers.data[r, 1], nu, tau1, tau2)
                    tables.log[k] = t[0]
                    tables.slope[k] = t[1]
                    second = tables.second[k]
                    second[0], second[1], second[2] = t[2], t[6], t[7]
                    second[3], second[4], second[5] = t[10], t[11], t[12]
                    for l in range(L):
                        kind = answers.kind[r, l]
                        if kind < 0:
                            break
                        value = 0.0
                        if kind == IN_NU:
                            value = t[1] * answers.factor[r, l]
                            a = answers.axis[r, l]
                            if a >= 0:
                                value *= axes.eta[a, q0 if a == 0 else (q1 if a == 1 else q2)]
                        elif kind == IN_TAU1:
                            value = t[4] * answers.factor[r, l]
                        elif kind == IN_TAU2:
                            value = t[5] * answers.factor[r, l]
                        tables.columns[c] = value
                        c += 1
                    k += 1


@kernel
def top_of_rows(axes, supports, answers, tables):
    """The largest value of each table at each node of each of its axes."""
    for r in range(len(answers.terms)):
        s = answers.support[r]
        n0, n1, n2 = extents(axes, supports, s)
        top = tables.top[r]
        for a in range(AXES):
            for q in range(axes.size[a]):
                top[a, q] = -math.inf
        k = answers.at[r]
        for q0 in range(n0):
            for q1 in range(n1):
                for q2 in range(n2):
                    v = tables.log[k]
                    top[0, q0] = max(top[0, q0], v)
                    top[1, q1] = max(top[1, q1], v)
                    top[2, q2] = max(top[2, q2], v)
                    k += 1


@kernel
def add_rows(axes, supports, answers, tables, counts, gradient, hessian):
    """gradient (R, L) and hessian (R, L, L): Σ_q counts × derivatives of log f in the columns of each answer."""
    L = answers.kind.shape[1]
    for r in range(len(answers.terms)):
        s = answers.support[r]
        n0, n1, n2 = extents(axes, supports, s)
        k = answers.at[r]
        kind = answers.kind[r]
        for q0 in range(n0):
            for q1 in range(n1):
                for q2 in range(n2):
                    n = counts[k]
                    w = tables.second[k]
                    if n > 0.0:
                        c = answers.slot[r] + (k - answers.at[r]) * width(kind)
                        for l in range(L):
                            if kind[l] < 0:
                                break
                            gradient[r, l] += n * tables.columns[c + l]
                            if len(hessian) == 0 or kind[l] == NONE:
                                continue
                            zl = answers.factor[r, l]
                            if answers.axis[r, l] >= 0:
                                a = answers.axis[r, l]
                                zl *= axes.eta[a, q0 if a == 0 else (q1 if a == 1 else q2)]
                            for m in range(l + 1):
                                if kind[m] == NONE:
                                    continue
                                zm = answers.factor[r, m]
                                if answers.axis[r, m] >= 0:
                                    a = answers.axis[r, m]
                                    zm *= axes.eta[a, q0 if a == 0 else (q1 if a == 1 else q2)]
                                low, high = min(kind[l], kind[m]), max(kind[l], kind[m])
                                if low == IN_NU:
                                    v = -w[0] if high == IN_NU else w[1 if high == IN_TAU1 else 2]
                                elif low == IN_TAU1:
                                    v = w[3] if high == IN_TAU1 else w[4]
                                else:
                                    v = w[5]
                                hessian[r, l, m] += n * v * zl * zm
                    k += 1


@kernel
def width(kind):
    """Number of columns of an answer."""
    n = 0
    while n < len(kind) and kind[n] >= 0:
        n += 1
    return n


# ---- one unit --------------------------------------------------------------------------------------------------------


@kernel
def along(a, code, supports, answers, tables, size, star, level):
    """Add to `level` what a unit's items of several axes say along axis a through the node `star`."""
    for j in range(len(code)):
        r = code[j]
        if r < 0:
            continue
        s = answers.support[r]
        if s >= AXES and supports.has[s, a]:
            k = answers.at[r]
            for b in range(AXES):
                if b != a:
                    k += star[b] * supports.stride[s, b]
            for q in range(size):
                level[q] += tables.log[k + q * supports.stride[s, a]]


@kernel
def find_window(i, axes, supports, answers, tables, units, prior, room):
    """The box outside of which the integrand is negligible; False if it is nowhere positive."""
    code = units.code[i]
    S = len(supports.has)
    for s in range(S):
        if supports.items[s]:
            for a in range(AXES):
                if supports.has[s, a]:
                    for q in range(axes.size[a]):
                        room.bound[s, a, q] = 0.0
    for j in range(len(code)):
        r = code[j]
        if r < 0:
            continue
        s = answers.support[r]
        for a in range(AXES):
            if supports.has[s, a]:
                top, bound = tables.top[r, a], room.bound[s, a]
                for q in range(axes.size[a]):
                    bound[q] += top[q]
    for s in range(S):
        room.peak[s] = 0.0
        if supports.items[s]:
            room.peak[s] = math.inf
            for a in range(AXES):
                if supports.has[s, a]:
                    top = -math.inf
                    for q in range(axes.size[a]):
                        top = max(top, room.bound[s, a, q])
                    room.peak[s] = min(room.peak[s], top)
    dims = 0
    for a in range(AXES):
        for q in range(axes.size[a]):
            room.e[a, q] = axes.eta[a, q] - prior.mean[i, a]
        dims += axes.size[a] > 1
        best = -math.inf
        room.star[a] = 0
        for q in range(axes.size[a]):
            v = -0.5 * room.e[a, q] ** 2 / prior.variance[a]
            for s in range(S):
                if supports.items[s] and supports.has[s, a]:
                    v += room.bound[s, a, q]
            if v > best:
                best = v
                room.star[a] = q
    if dims > 1:
        # up along each axis in turn: the higher the node, the smaller the box
        for _ in range(2):
            for a in range(AXES):
                size = axes.size[a]
                if size == 1:
                    continue
                tilt = 0.0
                for b in range(AXES):
                    if b != a:
                        tilt += prior.precision[a, b] * room.e[b, room.star[b]]
                for q in range(size):
                    e = room.e[a, q]
                    room.level[q] = room.bound[a, a, q] - 0.5 * prior.precision[a, a] * e * e - tilt * e
                along(a, code, supports, answers, tables, size, room.star, room.level)
                best = -math.inf
                for q in range(size):
                    if room.level[q] > best:
                        best = room.level[q]
                        room.star[a] = q
    height = 0.0
    for a in range(AXES):
        e = room.e[a, room.star[a]]
        if supports.items[a] and axes.size[a] > 1:
            height += room.bound[a, a, room.star[a]]
        for b in range(AXES):
            height -= 0.5 * prior.precision[a, b] * e * room.e[b, room.star[b]]
    for j in range(len(code)):
        r = code[j]
        if r >= 0 and answers.support[r] >= AXES:
            s = answers.support[r]
            k = answers.at[r]
            for a in range(AXES):
                k += room.star[a] * supports.stride[s, a]
            height += tables.log[k]
    if height == math.inf or height != height:
        return False
    for a in range(AXES):
        least = height - CUT
        for s in range(S):
            if supports.items[s] and not supports.has[s, a]:
                least -= room.peak[s]
        lo, hi = axes.size[a], 0
        for q in range(axes.size[a]):
            v = -0.5 * room.e[a, q] ** 2 / prior.variance[a]
            for s in range(S):
                if supports.items[s] and supports.has[s, a]:
                    v += room.bound[s, a, q]
            if v >= least:
                lo = min(lo, q)
                hi = q + 1
        if lo >= hi:
            return False
        room.window[a, 0], room.window[a, 1] = lo, hi
    return True


@kernel
def add_items(s, code, supports, answers, tables, room):
    """Add to the joint log integrand the items of a support of several axes."""
    w = room.window
    n0, n1, n2 = w[0, 1] - w[0, 0], w[1, 1] - w[1, 0], w[2, 1] - w[2, 0]
    k0, k1, k2 = supports.stride[s, 0], supports.stride[s, 1], supports.stride[s, 2]
    m0 = n0 if supports.has[s, 0] else 1
    m1 = n1 if supports.has[s, 1] else 1
    m2 = n2 if supports.has[s, 2] else 1
    other, joint = room.other, room.p[room.part[ALL] :]
    for c in range(m0 * m1 * m2):
        other[c] = 0.0
    for j in range(len(code)):
        r = code[j]
        if r < 0 or answers.support[r] != s:
            continue
        first = answers.at[r] + w[0, 0] * k0 + w[1, 0] * k1 + w[2, 0] * k2
        c = 0
        for q0 in range(m0):
            for q1 in range(m1):
                k = first + q0 * k0 + q1 * k1
                for q2 in range(m2):
                    other[c] += tables.log[k + q2 * k2]
                    c += 1
    c = 0
    for q0 in range(n0):
        for q1 in range(n1):
            at = ((q0 if m0 == n0 else 0) * m1 + (q1 if m1 == n1 else 0)) * m2
            for q2 in range(n2):
                joint[c] += other[at + (q2 if m2 == n2 else 0)]
                c += 1


@kernel
def fill_by_logs(code, supports, answers, tables, prior, room):
    """The joint integrand over its largest value, node by node; returns the log of that."""
    w, K = room.window, prior.precision
    n0, n1, n2 = w[0, 1] - w[0, 0], w[1, 1] - w[1, 0], w[2, 1] - w[2, 0]
    joint, m0, m1, m2 = room.p[room.part[ALL] :], room.p[room.part[1] :], room.p[room.part[2] :], room.p[room.part[4] :]
    e0, e1, e2 = room.e[0, w[0, 0] :], room.e[1, w[1, 0] :], room.e[2, w[2, 0] :]
    c = 0
    for q0 in range(n0):
        for q1 in range(n1):
            base = m0[q0] + m1[q1] - K[0, 1] * e0[q0] * e1[q1]
            tilt = K[0, 2] * e0[q0] + K[1, 2] * e1[q1]
            for q2 in range(n2):
                joint[c] = base + m2[q2] - tilt * e2[q2]
                c += 1
    for s in range(AXES, len(supports.has)):
        if supports.items[s]:
            add_items(s, code, supports, answers, tables, room)
    top = -math.inf
    for c in range(n0 * n1 * n2):
        top = max(top, joint[c])
    for c in range(n0 * n1 * n2):
        joint[c] = math.exp(joint[c] - top)
    return top


@kernel
def fill_tilt(a, b, axes, prior, room):
    """exp(−K_ab (e_a − e_a*)(e_b − e_b*)) by powers of its value one step from the node *; False if it is extreme."""
    w, star = room.window, room.star
    K = prior.precision[a, b]
    tilt = room.tilt[room.part[(1 << a) + (1 << b)] :]
    nb, middle = w[b, 1] - w[b, 0], star[b] - w[b, 0]
    step = axes.eta[b, 1] - axes.eta[b, 0] if axes.size[b] > 1 else 0.0
    for q in range(w[a, 1] - w[a, 0]):
        log = -K * (room.e[a, w[a, 0] + q] - room.e[a, star[a]]) * step
        if abs(log) * max(middle, nb - middle) > EXTREME:
            return False
        up, down = math.exp(log), math.exp(-log)
        row = tilt[q * nb : (q + 1) * nb]
        row[middle] = 1.0
        for p in range(middle + 1, nb):
            row[p] = row[p - 1] * up
        for p in range(middle - 1, -1, -1):
            row[p] = row[p + 1] * down
    return True


@kernel
def fill_by_factors(axes, prior, room):
    """The joint integrand over its value at the node *, by factors of one and two axes; its log, or +∞ if extreme.

    With e = e* + e' it is Π_a exp(b_a − ½K_aa e_a² − e_a Σ_b≠a K_ab e_b*) Π_a<b exp(−K_ab e'_a e'_b) times a constant.
    """
    w, K, star = room.window, prior.precision, room.star
    for a in range(AXES):
        for b in range(a + 1, AXES):
            if not fill_tilt(a, b, axes, prior, room):
                return math.inf
    top = 0.0
    for a in range(AXES):
        for b in range(a + 1, AXES):
            top += K[a, b] * room.e[a, star[a]] * room.e[b, star[b]]
    for a in range(AXES):
        pull = 0.0
        for b in range(AXES):
            if b != a:
                pull += K[a, b] * room.e[b, star[b]]
        f, e = room.p[room.part[1 << a] :], room.e[a, w[a, 0] :]
        at = star[a] - w[a, 0]
        here = f[at] - pull * e[at]
        for q in range(w[a, 1] - w[a, 0]):
            f[q] = math.exp(f[q] - pull * e[q] - here)
        top += here
    n0, n1, n2 = w[0, 1] - w[0, 0], w[1, 1] - w[1, 0], w[2, 1] - w[2, 0]
    joint, f0, f1, f2 = room.p[room.part[ALL] :], room.p[room.part[1] :], room.p[room.part[2] :], room.p[room.part[4] :]
    t01, t02, t12 = room.tilt[room.part[3] :], room.tilt[room.part[5] :], room.tilt[room.part[6] :]
    for q0 in range(n0):
        for q2 in range(n2):
            t02[q0 * n2 + q2] *= f2[q2]
        for q1 in range(n1):
            c = (q0 * n1 + q1) * n2
            base = f0[q0] * f1[q1] * t01[q0 * n1 + q1]
            for q2 in range(n2):
                joint[c + q2] = base * t02[q0 * n2 + q2] * t12[q1 * n2 + q2]
    return top


@kernel
def sum_of(x, n):
    """Σ x in four parts, which may be added side by side."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    m = n - n % 4
    for k in range(0, m, 4):
        a += x[k]
        b += x[k + 1]
        c += x[k + 2]
        d += x[k + 3]
    for k in range(m, n):
        a += x[k]
    return (a + b) + (c + d)


@kernel
def posterior(i, axes, supports, answers, tables, units, prior, pairs, room):
    """log L of a unit; `p` gets its posterior over all axes and each, axes 0 and 1, and with `pairs` any two."""
    if not find_window(i, axes, supports, answers, tables, units, prior, room):
        return -math.inf
    w, K = room.window, prior.precision
    n0, n1, n2 = w[0, 1] - w[0, 0], w[1, 1] - w[1, 0], w[2, 1] - w[2, 0]
    joint, m0, m1, m2 = room.p[room.part[ALL] :], room.p[room.part[1] :], room.p[room.part[2] :], room.p[room.part[4] :]
    m01, m02, m12 = room.p[room.part[3] :], room.p[room.part[5] :], room.p[room.part[6] :]
    several = False
    for s in range(AXES, len(supports.has)):
        several = several or supports.items[s]
    top = math.inf
    for attempt in range(2):
        if top < math.inf or (several and attempt == 0):
            continue
        for a in range(AXES):
            for q in range(w[a, 0], w[a, 1]):
                v = -0.5 * K[a, a] * room.e[a, q] ** 2
                if supports.items[a] and axes.size[a] > 1:
                    v += room.bound[a, a, q]
                room.p[room.part[1 << a] + q - w[a, 0]] = v
        if attempt == 0:
            top = fill_by_factors(axes, prior, room)
        else:
            top = fill_by_logs(units.code[i], supports, answers, tables, prior, room)
    mass = sum_of(joint, n0 * n1 * n2)
    if not mass > 0.0 or not mass < math.inf:
        return -math.inf
    for q in range(n0):
        m0[q] = 0.0
    for q in range(n1):
        m1[q] = 0.0
    for q in range(n2):
        m2[q] = 0.0
    if pairs:
        for c in range(n0 * n2):
            m02[c] = 0.0
        for c in range(n1 * n2):
            m12[c] = 0.0
    scale = 1.0 / mass
    for q0 in range(n0):
        for q1 in range(n1):
            c = (q0 * n1 + q1) * n2
            cells = joint[c : c + n2]
            for q2 in range(n2):
                cells[q2] *= scale
            if pairs:
                row02, row12 = m02[q0 * n2 : (q0 + 1) * n2], m12[q1 * n2 : (q1 + 1) * n2]
                for q2 in range(n2):
                    row02[q2] += cells[q2]
                for q2 in range(n2):
                    row12[q2] += cells[q2]
            else:
                for q2 in range(n2):
                    m2[q2] += cells[q2]
            total = sum_of(cells, n2)
            m01[q0 * n1 + q1] = total
            m0[q0] += total
            m1[q1] += total
    if pairs:
        for q0 in range(n0):
            for q2 in range(n2):
                m2[q2] += m02[q0 * n2 + q2]
    return top + math.log(mass) + prior.constant


@kernel
def axes_in(s, supports):
    """The axes of a support, axis a being bit a."""
    return supports.has[s, 0] + 2 * supports.has[s, 1] + 4 * supports.has[s, 2]


# ---- all units -------------------------------------------------------------------------------------------------------


@kernel
def take_moments(i, axes, room, mean, second, kept, window):
    """E[e] and E[ee'] of a unit, and if there is room the posterior of each axis, over its window."""
    w = room.window
    for a in range(AXES):
        m = room.p[room.part[1 << a] :]
        e0 = 0.0
        e00 = 0.0
        for q in range(w[a, 1] - w[a, 0]):
            x = room.e[a, w[a, 0] + q]
            e0 += m[q] * x
            e00 += m[q] * x * x
        mean[i, a], second[i, a, a] = e0, e00
        if len(kept) > 0:
            window[i, a, 0], window[i, a, 1] = w[a, 0], w[a, 1]
            for q in range(w[a, 1] - w[a, 0]):
                kept[i, a, w[a, 0] + q] = m[q]
    for a in range(AXES):
        for b in range(a):
            if axes.size[a] > 1 and axes.size[b] > 1:
                m = room.p[room.part[(1 << a) + (1 << b)] :]
                nb, na = w[b, 1] - w[b, 0], w[a, 1] - w[a, 0]
                total = 0.0
                for q in range(nb):
                    row = 0.0
                    for p in range(na):
                        row += m[q * na + p] * room.e[a, w[a, 0] + p]
                    total += row * room.e[b, w[b, 0] + q]
                second[i, a, b] = second[i, b, a] = total


@kernel
def take_counts(i, supports, answers, units, room, counts):
    """Add a unit's posterior to the counts of the answers that it gave."""
    w = room.window
    code = units.code[i]
    weight = units.weight[i]
    for j in range(len(code)):
        r = code[j]
        if r < 0:
            continue
        s = answers.support[r]
        m = room.p[room.part[axes_in(s, supports)] :]
        if s < AXES:
            at = answers.at[r]
            out = counts[at + w[s, 0] : at + w[s, 1]]
            for q in range(len(out)):
                out[q] += weight * m[q]
        else:
            n0 = w[0, 1] - w[0, 0] if supports.has[s, 0] else 1
            n1 = w[1, 1] - w[1, 0] if supports.has[s, 1] else 1
            n2 = w[2, 1] - w[2, 0] if supports.has[s, 2] else 1
            k0, k1, k2 = supports.stride[s, 0], supports.stride[s, 1], supports.stride[s, 2]
            first = answers.at[r] + w[0, 0] * k0 + w[1, 0] * k1 + w[2, 0] * k2
            c = 0
            for q0 in range(n0):
                for q1 in range(n1):
                    k = first + q0 * k0 + q1 * k1
                    for q2 in range(n2):
                        counts[k + q2 * k2] += weight * m[c]
                        c += 1


@kernel
def sweep_units(
    lo, hi, axes, supports, answers, tables, units, prior, room, moments, F, counts, mean, second, kept, window
):
    """log L of the units lo..hi; with `moments` the counts of the tables, E[e] (n, 3) and E[ee'] (n, 3, 3).

    If `kept` (n, 3, most) and `window` (n, 3, 2) are not empty they get the posterior of each axis.
    """
    pairs = axes.size[2] > 1 and moments
    for i in range(lo, hi):
        F[i] = posterior(i, axes, supports, answers, tables, units, prior, pairs, room)
        if moments and F[i] > -math.inf:
            take_moments(i, axes, room, mean, second, kept, window)
            take_counts(i, supports, answers, units, room, counts)


@kernel
def stack_columns(i, s, supports, answers, tables, units, kept, window, stack, used):
    """Write the items' columns of axis s at a unit's nodes, times the root of weight and posterior, below `used`."""
    code = units.code[i]
    first, last = window[i, s, 0], window[i, s, 1]
    for q in range(first, last):
        row = stack[used + q - first]
        for c in range(len(row)):
            row[c] = 0.0
        root = math.sqrt(units.weight[i] * kept[i, s, q])
        for j in range(len(code)):
            r = code[j]
            if r < 0 or answers.support[r] != s:
                continue
            L = width(answers.kind[r])
            at = answers.column[r] - supports.column[s]
            k = answers.slot[r] + q * L
            for l in range(L):
                row[at + l] = root * tables.columns[k + l]
    return used + last - first


@kernel
def stack_units(lo, hi, s, supports, answers, tables, units, kept, window, stack):
    """Stack the columns of units from lo on until there is no room; returns the rows written, and the next unit."""
    used, i = 0, lo
    while i < hi and used + kept.shape[2] <= len(stack):
        used = stack_columns(i, s, supports, answers, tables, units, kept, window, stack, used)
        i += 1
    return used, i


@kernel
def fill_columns(i, s, axes, supports, answers, tables, units, room):
    """The columns of a support over its window, those of a node together; returns the number of nodes."""
    w = room.window
    n0 = w[0, 1] - w[0, 0] if supports.has[s, 0] else 1
    n1 = w[1, 1] - w[1, 0] if supports.has[s, 1] else 1
    n2 = w[2, 1] - w[2, 0] if supports.has[s, 2] else 1
    k0, k1, k2 = supports.stride[s, 0], supports.stride[s, 1], supports.stride[s, 2]
    C = supports.column[s + 1] - supports.column[s]
    x = room.x[room.at[s] : room.at[s + 1]]
    for c in range(n0 * n1 * n2 * C):
        x[c] = 0.0
    code = units.code[i]
    for j in range(len(code)):
        r = code[j]
        if r < 0 or answers.support[r] != s:
            continue
        L = width(answers.kind[r])
        first = w[0, 0] * k0 + w[1, 0] * k1 + w[2, 0] * k2
        at = answers.column[r] - supports.column[s]
        for q0 in range(n0):
            for q1 in range(n1):
                for q2 in range(n2):
                    k = answers.slot[r] + (first + q0 * k0 + q1 * k1 + q2 * k2) * L
                    for l in range(L):
                        x[at + l] = tables.columns[k + l]
                    at += C
    if s < AXES:
        M = units.covariates.shape[1]
        for q in range(w[s, 1] - w[s, 0]):
            e = room.e[s, w[s, 0] + q]
            at = q * C + C - M - 1
            for m in range(M):
                x[at + m] = e * units.covariates[i, m]
            x[at + M] = e * e
    elif supports.has[s, 0] + supports.has[s, 1] + supports.has[s, 2] == 2:
        a = 0 if supports.has[s, 0] else 1
        b = 2 if supports.has[s, 2] else 1
        nb = w[b, 1] - w[b, 0]
        for p in range(w[a, 1] - w[a, 0]):
            for q in range(nb):
                x[(p * nb + q) * C + C - 1] = room.e[a, w[a, 0] + p] * room.e[b, w[b, 0] + q]
    return n0 * n1 * n2


@kernel
def add_squares(weight, m, n, C, x, first, cross):
    """Σ over nodes of weight m x x', upper triangle; four nodes at a time."""
    for q in range(0, n, 4):
        p0 = weight * m[q]
        p1 = weight * m[q + 1] if q + 1 < n else 0.0
        p2 = weight * m[q + 2] if q + 2 < n else 0.0
        p3 = weight * m[q + 3] if q + 3 < n else 0.0
        x0 = x[q * C : (q + 1) * C]
        x1 = x[(q + 1) * C : (q + 2) * C] if q + 1 < n else x0
        x2 = x[(q + 2) * C : (q + 3) * C] if q + 2 < n else x0
        x3 = x[(q + 3) * C : (q + 4) * C] if q + 3 < n else x0
        for a in range(C):
            y0, y1, y2, y3 = p0 * x0[a], p1 * x1[a], p2 * x2[a], p3 * x3[a]
            row = cross[first + a, first : first + C]
            for b in range(a, C):
                row[b] += y0 * x0[b] + y1 * x1[b] + y2 * x2[b] + y3 * x3[b]


@kernel
def add_products(weight, s, t, supports, room, cross):
    """Σ over nodes of weight P x_s x_t': x_t is projected on the nodes of s, which has fewer or as many."""
    w = room.window
    h = supports.has
    m = room.p[room.part[axes_in(s, supports) | axes_in(t, supports)] :]
    n0 = w[0, 1] - w[0, 0]
    n1 = w[1, 1] - w[1, 0]
    n2 = w[2, 1] - w[2, 0]
    u0 = n0 if h[s, 0] | h[t, 0] else 1
    u1 = n1 if h[s, 1] | h[t, 1] else 1
    u2 = n2 if h[s, 2] | h[t, 2] else 1
    s2 = 1 if h[s, 2] else 0
    s1 = (n2 if h[s, 2] else 1) if h[s, 1] else 0
    s0 = (n2 if h[s, 2] else 1) * (n1 if h[s, 1] else 1) if h[s, 0] else 0
    t2 = 1 if h[t, 2] else 0
    t1 = (n2 if h[t, 2] else 1) if h[t, 1] else 0
    t0 = (n2 if h[t, 2] else 1) * (n1 if h[t, 1] else 1) if h[t, 0] else 0
    nodes = (n0 if h[s, 0] else 1) * (n1 if h[s, 1] else 1) * (n2 if h[s, 2] else 1)
    cs, ct = supports.column[s], supports.column[t]
    C, D = supports.column[s + 1] - cs, supports.column[t + 1] - ct
    xs, xt = room.x[room.at[s] : room.at[s + 1]], room.x[room.at[t] : room.at[t + 1]]
    out = room.projected
    for c in range(nodes * D):
        out[c] = 0.0
    c = 0
    for q0 in range(u0):
        for q1 in range(u1):
            for q2 in range(u2):
                p = weight * m[c]
                c += 1
                here = (q0 * s0 + q1 * s1 + q2 * s2) * D
                there = (q0 * t0 + q1 * t1 + q2 * t2) * D
                for d in range(D):
                    out[here + d] += p * xt[there + d]
    for q in range(nodes):
        y = out[q * D : (q + 1) * D]
        for a in range(C):
            v = xs[q * C + a]
            if v != 0.0:
                row = cross[cs + a, ct : ct + D]
                for b in range(D):
                    row[b] += v * y[b]


@kernel
def add_products_of_axes(weight, s, t, supports, room, cross):
    """As `add_products`, of two single axes s < t; four nodes at a time."""
    w = room.window
    m = room.p[room.part[axes_in(s, supports) | axes_in(t, supports)] :]
    ns, nt = w[s, 1] - w[s, 0], w[t, 1] - w[t, 0]
    cs, ct = supports.column[s], supports.column[t]
    C, D = supports.column[s + 1] - cs, supports.column[t + 1] - ct
    xs, xt = room.x[room.at[s] : room.at[s + 1]], room.x[room.at[t] : room.at[t + 1]]
    out = room.projected
    for q in range(ns):
        y = out[q * D : (q + 1) * D]
        for d in range(D):
            y[d] = 0.0
        for u in range(0, nt, 4):
            c = q * nt + u
            p0 = weight * m[c]
            p1 = weight * m[c + 1] if u + 1 < nt else 0.0
            p2 = weight * m[c + 2] if u + 2 < nt else 0.0
            p3 = weight * m[c + 3] if u + 3 < nt else 0.0
            x0 = xt[u * D : (u + 1) * D]
            x1 = xt[(u + 1) * D : (u + 2) * D] if u + 1 < nt else x0
            x2 = xt[(u + 2) * D : (u + 3) * D] if u + 2 < nt else x0
            x3 = xt[(u + 3) * D : (u + 4) * D] if u + 3 < nt else x0
            for d in range(D):
                y[d] += p0 * x0[d] + p1 * x1[d] + p2 * x2[d] + p3 * x3[d]
    for q in range(0, ns, 4):
        y0 = out[q * D : (q + 1) * D]
        y1 = out[(q + 1) * D : (q + 2) * D] if q + 1 < ns else y0
        y2 = out[(q + 2) * D : (q + 3) * D] if q + 2 < ns else y0
        y3 = out[(q + 3) * D : (q + 4) * D] if q + 3 < ns else y0
        for a in range(C):
            v0 = xs[q * C + a]
            v1 = xs[(q + 1) * C + a] if q + 1 < ns else 0.0
            v2 = xs[(q + 2) * C + a] if q + 2 < ns else 0.0
            v3 = xs[(q + 3) * C + a] if q + 3 < ns else 0.0
            row = cross[cs + a, ct : ct + D]
            for b in range(D):
                row[b] += v0 * y0[b] + v1 * y1[b] + v2 * y2[b] + v3 * y3[b]


@kernel
def product_of_axes(weight, s, supports, room, cross):
    """Products of e_a e_b, the only column of a pair of axes, with all columns of single axes and pairs."""
    w, h = room.window, supports.has
    a = 0 if h[s, 0] else 1
    b = 2 if h[s, 2] else 1
    k = supports.column[s]
    m = room.p[room.part[axes_in(s, supports)] :]
    na, nb = w[a, 1] - w[a, 0], w[b, 1] - w[b, 0]
    ea, eb = room.e[a, w[a, 0] :], room.e[b, w[b, 0] :]
    squares = 0.0
    along_a, along_b = room.level, room.projected
    for q in range(nb):
        along_b[q] = 0.0
    for p in range(na):
        total, square = 0.0, 0.0
        for q in range(nb):
            x = m[p * nb + q] * eb[q]
            total += x
            square += x * eb[q]
            along_b[q] += ea[p] * x
        along_a[p] = ea[p] * total
        squares += ea[p] * ea[p] * square
    cross[k, k] += weight * squares
    for t in range(AXES):
        C, first = supports.column[t + 1] - supports.column[t], supports.column[t]
        x = room.x[room.at[t] :]
        if C > 0:
            for q in range(w[t, 1] - w[t, 0]):
                p = weight * (along_a[q] if t == a else (along_b[q] if t == b else room.third[t, q]))
                for c in range(C):
                    cross[first + c, k] += p * x[q * C + c]
    for t in range(s + 1, len(h)):
        # another pair shares one axis with this one
        shared = a if h[t, a] else b
        e = room.e[shared, w[shared, 0] :]
        total = 0.0
        for q in range(w[shared, 1] - w[shared, 0]):
            total += e[q] * e[q] * room.third[shared, q]
        cross[k, supports.column[t]] += weight * total


@kernel
def fill_third(room):
    """Of each axis the posterior times the product of the deviations on the two others, added up over these."""
    w = room.window
    n0, n1, n2 = w[0, 1] - w[0, 0], w[1, 1] - w[1, 0], w[2, 1] - w[2, 0]
    e0, e1, e2 = room.e[0, w[0, 0] :], room.e[1, w[1, 0] :], room.e[2, w[2, 0] :]
    joint = room.p[room.part[ALL] :]
    third = room.third
    for a in range(AXES):
        for q in range(w[a, 1] - w[a, 0]):
            third[a, q] = 0.0
    for q0 in range(n0):
        for q1 in range(n1):
            c = (q0 * n1 + q1) * n2
            both = e0[q0] * e1[q1]
            for q2 in range(n2):
                third[2, q2] += both * joint[c + q2]
            a, b = 0.0, 0.0
            for q2 in range(0, n2 - 1, 2):
                a += joint[c + q2] * e2[q2]
                b += joint[c + q2 + 1] * e2[q2 + 1]
            if n2 % 2:
                a += joint[c + n2 - 1] * e2[n2 - 1]
            third[0, q0] += e1[q1] * (a + b)
            third[1, q1] += e0[q0] * (a + b)


@kernel
def cross_units(
    lo, hi, axes, supports, answers, tables, units, prior, room, products, F, counts, mean, second, kept, window, x,
    cross
):
    """What `sweep_units` gives, x̄ (n, columns) of supports of several axes, and with `products` Σ w E[xx'].

    The latter in blocks s ≤ t of supports, but those of one axis with itself.
    """
    S = len(supports.has)
    several = False
    for s in range(AXES, S):
        several = several or supports.items[s]
    for i in range(lo, hi):
        F[i] = posterior(i, axes, supports, answers, tables, units, prior, several or axes.size[2] > 1, room)
        if not F[i] > -math.inf:
            continue
        take_moments(i, axes, room, mean, second, kept, window)
        take_counts(i, supports, answers, units, room, counts)
        weight = units.weight[i]
        for s in range(0 if products else AXES, S):
            C = supports.column[s + 1] - supports.column[s]
            if C == 0:
                continue
            n = fill_columns(i, s, axes, supports, answers, tables, units, room)
            if s < AXES:
                continue
            m, columns, first = room.p[room.part[axes_in(s, supports)] :], room.x[room.at[s] :], supports.column[s]
            for q in range(n):
                for c in range(C):
                    x[i, first + c] += m[q] * columns[q * C + c]
            if products and several:
                add_squares(weight, m, n, C, columns, first, cross)
        if not products:
            continue
        for s in range(S if several else AXES):
            if supports.column[s + 1] > supports.column[s]:
                for t in range(s + 1, S if several else AXES):
                    if supports.column[t + 1] == supports.column[t]:
                        continue
                    if t < AXES:
                        add_products_of_axes(weight, s, t, supports, room, cross)
                    else:
                        add_products(weight, s, t, supports, room, cross)
        if not several:
            fill_third(room)
            for s in range(AXES, S):
                product_of_axes(weight, s, supports, room, cross)
