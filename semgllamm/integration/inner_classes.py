"""Classes below a continuous latent variable: at each point of it, the answers of a unit are summed over its classes.

A sum is n consecutive cells of one node in parts k, one for each pattern of classes that the unit may be in. Its
probability of a pattern is part of it, as a choice between classes (choices.py) or the density of a covariate:

    log f = log Σ_k exp ℓ_k,    ℓ_k = Σ_{i in k} log f_i(ν_i),    p_k = exp(ℓ_k − log f).

With S_k = Σ_i s_i d_i, S̄ = Σ_k p_k S_k, and d̄ = Σ_a π_a d_a of a choice in k, of probabilities π,

    ∂ log f/∂ν_i = p_k s_i,
    the front gains      w [Σ_k p_k (Σ_i ω_i d_i d_i' − Σ_choices d̄d̄' − S_k S_k') + S̄S̄'],
    its adjoint M̄ gives, with m_k = M̄(S_k − S̄), q_i = d_i'M̄d_i, φ_k = Σ_i ω_i q_i − Σ_choices d̄'M̄d̄ − S_k'M̄(S_k − 2S̄),
                         ν̄_i = w p_k [s_i (φ_k − Σ p φ) + ω'_i q_i + 2 ω_i d_i'm_k],
                         τ̄_i = w p_k [g_i (φ_k − Σ p φ) + ω_τ q_i − 2 s_τ d_i'm_k],
                         d̄_i += 2 w p_k (ω_i M̄d_i − s_i m_k),   and in a choice as there, times p_k,
    Louis' information   w [S̄S̄' − Σ_k p_k (S_k S_k' + Σ_choices x̄x̄')] beside w Σ_k p_k of the cells', S of parameters.

This is the information of all answers less what not knowing the class takes (Louis 1982). It need not be definite on
the way to a mode: a step uphill leaves out what is taken, and negative ω. The engine reaches these kernels by the
addresses of those of composite links; no model has both.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from semgllamm.integration import composites
from semgllamm.integration.arrays import COUNT, TIMES, TRIALS, WEIGHT, G, S, Y
from semgllamm.integration.choices import LOG_SUM, log_sum, predictor, score_at
from semgllamm.responses import dispatch
from semgllamm.responses.jit import inner, kernel
from semgllamm.responses.registry import MULTINOMIAL, SUMMED

__all__ = ["VECTORS", "addresses", "posterior_of_parts", "working_quantities"]

CHOICE = SUMMED + MULTINOMIAL
VECTORS = 6  # of coordinates, that the kernels of fronts and of their adjoints have room for


@inner
def end_of_part(i, end, cells):
    """Where the part ends that the cell i is in."""
    j = i + 1
    while j < end and cells.data[j, TIMES] == cells.data[i, TIMES]:
        j += 1
    return j


@inner
def terms_of_cell(i, o, cells, path, L):
    """The terms of the contract of a cell, and L of its choice, which the first cell of one works out."""
    choice = cells.code[i] == CHOICE
    if choice and cells.data[i, TRIALS] > 0.0:
        L = log_sum(cells.choice[LOG_SUM], (i, o, cells, path))
    t = dispatch.terms(
        cells.terms[cells.code[i]], cells.data[i, Y], cells.data[i, TRIALS], predictor(i, o, cells, path),
        L if choice else cells.lin[i, 1], cells.lin[i, 2]
    )
    return t, L


@inner
def density_of_part(i, j, o, cells, path):
    """ℓ of the part of the cells i, …, j − 1."""
    total, L = 0.0, 0.0
    for c in range(i, j):
        choice = cells.code[c] == CHOICE
        if choice and cells.data[c, TRIALS] > 0.0:
            L = log_sum(cells.choice[LOG_SUM], (c, o, cells, path))
        value, _ = dispatch.value(
            cells.value[cells.code[c]], cells.data[c, Y], cells.data[c, TRIALS], predictor(c, o, cells, path),
            L if choice else cells.lin[c, 1], cells.lin[c, 2]
        )
        total += value
    return total


@inner
def _value(first, o, cells, path):
    """log f of the sum that starts at the cell `first`."""
    end = first + int(cells.data[first, COUNT])
    top, mass = -math.inf, 0.0
    i = first
    while i < end:
        j = end_of_part(i, end, cells)
        value = density_of_part(i, j, o, cells, path)
        if value > top:
            mass = mass * math.exp(top - value) + 1.0
            top = value
        elif value > -math.inf:
            mass += math.exp(value - top)
        i = j
    return top + math.log(mass) if mass > 0.0 else -math.inf


@inner
def _terms(first, o, cells, path, kept, second):
    """log f of a sum; the rows of `kept` get what the recursions keep of its cells, with `second` also ω and h."""
    end = first + int(cells.data[first, COUNT])
    T = cells.lin.shape[1] - 1
    columns = 2 + 2 * T + T * (T + 1) // 2 if second else 1 + T
    for a in range(end - first):
        for b in range(columns):
            kept[a, b] = 0.0
    logf = _value(first, o, cells, path)
    if not logf > -math.inf:
        return logf
    i = first
    while i < end:
        j = end_of_part(i, end, cells)
        value, L = 0.0, 0.0
        for c in range(i, j):
            t, L = terms_of_cell(c, o, cells, path, L)
            value += t[0]
            a = c - first
            kept[a, S], kept[a, G], kept[a, G + 1] = t[1], t[4], t[5]
            if second:
                b = 2 + 2 * T
                kept[a, 1 + T], kept[a, 2 + T], kept[a, 3 + T] = t[2], t[6], t[7]
                kept[a, b], kept[a, b + 1], kept[a, b + 2] = t[10], t[11], t[12]
        p = math.exp(value - logf)
        for a in range(i - first, j - first):
            for b in range(columns):
                kept[a, b] *= p
        i = j
    return logf


@inner
def _front(first, n, o, cells, path, M, g, centre, uphill):
    """Add a sum to the front and the gradient of node n, and return its log f."""
    end = first + int(cells.data[first, COUNT])
    logf = _value(first, o, cells, path)
    if not logf > -math.inf:
        return logf
    w = cells.data[first, WEIGHT]
    P = cells.D.shape[1]
    own, mean, chosen = centre[: o + 1], centre[P : P + o + 1], centre[2 * P : 2 * P + o + 1]
    mean[:] = 0.0
    i = first
    while i < end:
        j = end_of_part(i, end, cells)
        p = math.exp(density_of_part(i, j, o, cells, path) - logf)
        own[:] = 0.0
        L = 0.0
        for c in range(i, j):
            t, L = terms_of_cell(c, o, cells, path, L)
            curvature = t[2]
            if uphill and curvature < 0.0:
                curvature = 0.0
            if cells.code[c] == CHOICE and cells.data[c, TRIALS] > 0.0:
                mean_of_choice(c, o, cells, path, L, chosen)
                for a in range(o + 1):
                    for b in range(a + 1):
                        M[n, a, b] -= w * p * chosen[a] * chosen[b]
            for a in range(o + 1):
                own[a] += t[1] * cells.D[c, a]
                x = w * p * curvature * cells.D[c, a]
                for b in range(a + 1):
                    M[n, a, b] += x * cells.D[c, b]
        for a in range(o + 1):
            mean[a] += p * own[a]
            for b in range(0 if uphill else a + 1):
                M[n, a, b] -= w * p * own[a] * own[b]
        i = j
    for a in range(o + 1):
        g[n, a] += w * mean[a]
        for b in range(0 if uphill else a + 1):
            M[n, a, b] += w * mean[a] * mean[b]
    return logf


@inner
def mean_of_choice(first, o, cells, path, L, out):
    """d̄ of the choice that starts at the cell `first`."""
    out[: o + 1] = 0.0
    for i in range(first, first + int(cells.data[first, TRIALS])):
        p = math.exp(predictor(i, o, cells, path) - L)
        for a in range(o + 1):
            out[a] += p * cells.D[i, a]


@inner
def turned(M, n, o, x, out):
    """M̄x, which is returned times x."""
    total = 0.0
    for a in range(o + 1):
        out[a] = 0.0
        for b in range(o + 1):
            out[a] += M[n, a, b] * x[b]
        total += out[a] * x[a]
    return total


@inner
def _part(i, j, n, o, cells, path, M, room):
    """ℓ and φ of the part of the cells i, …, j − 1, whose S is left in the vector 1 of `room`; 0 is S̄."""
    P = cells.D.shape[1]
    mean, own = room[: o + 1], room[P : P + o + 1]
    turn, chosen = room[2 * P : 2 * P + o + 1], room[4 * P : 4 * P + o + 1]
    own[:] = 0.0
    value, phi, L = 0.0, 0.0, 0.0
    for c in range(i, j):
        t, L = terms_of_cell(c, o, cells, path, L)
        value += t[0]
        for a in range(o + 1):
            own[a] += t[1] * cells.D[c, a]
        phi += t[2] * turned(M, n, o, cells.D[c], turn)
        if cells.code[c] == CHOICE and cells.data[c, TRIALS] > 0.0:
            mean_of_choice(c, o, cells, path, L, chosen)
            phi -= turned(M, n, o, chosen, turn)
    turned(M, n, o, own, turn)
    for a in range(o + 1):
        phi -= turn[a] * (own[a] - 2.0 * mean[a])
    return value, phi


@inner
def _follow(first, n, r0, o, cells, path, M, g, R, at_mode, centre):
    """Add to R and g what a sum of node n passes on of the adjoint M of its front, and keep what its mode needs.

    Rows of `at_mode` are those of other cells, times p. `centre` is room for six vectors.
    """
    T = cells.lin.shape[1] - 1
    tau, last = R.shape[1] - T, at_mode.shape[1] - 1
    end = first + int(cells.data[first, COUNT])
    w = cells.data[first, WEIGHT]
    logf = _value(first, o, cells, path)
    P = cells.D.shape[1]
    mean, own, turn = centre[: o + 1], centre[P : P + o + 1], centre[2 * P : 2 * P + o + 1]
    off, of_choice = centre[3 * P : 3 * P + o + 1], centre[5 * P : 5 * P + o + 1]
    mean[:] = 0.0
    i = first
    while i < end:
        j = end_of_part(i, end, cells)
        p = math.exp(density_of_part(i, j, o, cells, path) - logf)
        L = 0.0
        for c in range(i, j):
            t, L = terms_of_cell(c, o, cells, path, L)
            kept = at_mode[c - r0]
            kept[:] = 0.0
            kept[0], kept[1], kept[2] = p * t[1], p * t[4], p * t[5]
            kept[1 + T], kept[2 + T], kept[last] = p * t[6], p * t[7], p * t[2]
            for a in range(o + 1):
                mean[a] += kept[0] * cells.D[c, a]
        i = j
    whole = 0.0
    i = first
    while i < end:
        j = end_of_part(i, end, cells)
        value, phi = _part(i, j, n, o, cells, path, M, centre)
        whole += math.exp(value - logf) * phi
        i = j
    i = first
    while i < end:
        j = end_of_part(i, end, cells)
        value, phi = _part(i, j, n, o, cells, path, M, centre)
        p = w * math.exp(value - logf)
        for a in range(o + 1):
            own[a] -= mean[a]
        turned(M, n, o, own, off)  # m
        L, of_psi, along = 0.0, 0.0, 0.0
        for c in range(i, j):
            t, L = terms_of_cell(c, o, cells, path, L)
            choice = cells.code[c] == CHOICE
            if choice and cells.data[c, TRIALS] > 0.0:
                of_psi, along = _means_in_choice(c, n, o, cells, path, L, M, centre)
            q = turned(M, n, o, cells.D[c], turn)
            e = 0.0
            for a in range(o + 1):
                e += cells.D[c, a] * off[a]
            bent = t[3] * q
            if choice:
                for a in range(o + 1):
                    q -= 2.0 * cells.D[c, a] * of_choice[a]
                bent = t[2] * (q - of_psi)
                e -= along
            nubar = p * (t[1] * (phi - whole) + bent + 2.0 * t[2] * e)
            R[c, 0] += nubar
            for a in range(o + 1):
                x = turn[a] - (of_choice[a] if choice else 0.0)
                R[c, 1 + a] += nubar * path[a] + 2.0 * p * (t[2] * x - t[1] * off[a])
                g[n, a] += nubar * cells.D[c, a]
            if not choice:
                R[c, tau] += p * (t[4] * (phi - whole) + t[8] * q - 2.0 * t[6] * e)
                R[c, tau + 1] += p * (t[5] * (phi - whole) + t[9] * q - 2.0 * t[7] * e)
        i = j
    return 0.0


@inner
def _means_in_choice(first, n, o, cells, path, L, M, room):
    """Σ π (d'M̄d − 2 d'M̄d̄) and Σ π d'm of a choice; M̄d̄ is left in the vector 5 of `room`, m is in 3."""
    P = cells.D.shape[1]
    turn, off = room[2 * P : 2 * P + o + 1], room[3 * P : 3 * P + o + 1]
    chosen, of_choice = room[4 * P : 4 * P + o + 1], room[5 * P : 5 * P + o + 1]
    mean_of_choice(first, o, cells, path, L, chosen)
    turned(M, n, o, chosen, of_choice)
    of_psi, along = 0.0, 0.0
    for i in range(first, first + int(cells.data[first, TRIALS])):
        p = math.exp(predictor(i, o, cells, path) - L)
        psi = turned(M, n, o, cells.D[i], turn)
        for a in range(o + 1):
            psi -= 2.0 * cells.D[i, a] * of_choice[a]
            along += p * cells.D[i, a] * off[a]
        of_psi += p * psi
    return of_psi, along


@inner
def _follow_mode(first, r0, o, share, cells, path, v, R, at_mode):
    """Add to R what a sum passes on through the mode beside its cells: p s_i (S_k − S̄)'v, and in a choice p π d̄'v."""
    T = cells.lin.shape[1] - 1
    tau, last = R.shape[1] - T, at_mode.shape[1] - 1
    end = first + int(cells.data[first, COUNT])
    w = share * cells.data[first, WEIGHT]
    logf = _value(first, o, cells, path)
    mean = 0.0
    for i in range(first, end):
        for b in range(o + 1):
            mean += at_mode[i - r0, 0] * cells.D[i, b] * v[b]
    i = first
    while i < end:
        j = end_of_part(i, end, cells)
        p = math.exp(density_of_part(i, j, o, cells, path) - logf)
        own = 0.0
        for c in range(i, j):
            for b in range(o + 1):
                own += at_mode[c - r0, 0] * cells.D[c, b] * v[b]
        off = own / p - mean if p > 0.0 else 0.0
        along = 0.0
        for c in range(i, j):
            kept = at_mode[c - r0]
            x = kept[0] * off
            if cells.code[c] == CHOICE:
                if cells.data[c, TRIALS] > 0.0:
                    along = 0.0
                    for d in range(c, c + int(cells.data[c, TRIALS])):
                        for b in range(o + 1):
                            along += at_mode[d - r0, last] * cells.D[d, b] * v[b]
                    along = along / p if p > 0.0 else 0.0
                x += kept[last] * along
            R[c, 0] += w * x
            for a in range(o + 1):
                R[c, 1 + a] += w * x * path[a]
            R[c, tau] += w * kept[1] * off
            R[c, tau + 1] += w * kept[2] * off
        i = j
    return 0.0


@inner
def _information(first, o, w, u, cells, jacobian, place, mean, own, q, V):
    """V += w [Σ_k p_k (S_k S_k' + Σ_choices x̄x̄') − S̄S̄'] of a sum at the path u, by its lower triangle."""
    P = cells.D.shape[1]
    end = first + int(cells.data[first, COUNT])
    logf = _value(first, o, cells, u)
    if not logf > -math.inf:
        return 0.0
    for a in range(q):
        mean[a] = 0.0
    i = first
    while i < end:
        j = end_of_part(i, end, cells)
        p = math.exp(density_of_part(i, j, o, cells, u) - logf)
        for a in range(q):
            own[a] = 0.0
        L = 0.0
        for c in range(i, j):
            t, L = terms_of_cell(c, o, cells, u, L)
            for k in range(jacobian.ptr[c], jacobian.ptr[c + 1]):
                a, x = place[jacobian.par[k]], jacobian.feature[k]
                if x <= P:
                    own[a] += t[1] * score_at(c, k, P, jacobian, u)
                elif x <= P + 2:
                    own[a] += jacobian.value[k] * (t[4] if x == P + 1 else t[5])
            if cells.code[c] == CHOICE and cells.data[c, TRIALS] > 0.0:
                _add_choice(c, o, w * p, u, cells, jacobian, place, L, V)
        for a in range(q):
            mean[a] += p * own[a]
            if own[a] != 0.0:
                for b in range(a + 1):
                    V[a, b] += w * p * own[a] * own[b]
        i = j
    for a in range(q):
        for b in range(a + 1):
            V[a, b] -= w * mean[a] * mean[b]
    return 0.0


@inner
def _add_choice(first, o, w, u, cells, jacobian, place, L, V):
    """V += w x̄x̄' of the choice that starts at the cell `first`, by its lower triangle."""
    P = cells.D.shape[1]
    end = first + int(cells.data[first, TRIALS])
    for i in range(first, end):
        x = w * math.exp(predictor(i, o, cells, u) - L)
        for k in range(jacobian.ptr[i], jacobian.ptr[i + 1]):
            a = place[jacobian.par[k]]
            y = x * score_at(i, k, P, jacobian, u)
            for j in range(first, end):
                p = math.exp(predictor(j, o, cells, u) - L)
                for d in range(jacobian.ptr[j], jacobian.ptr[j + 1]):
                    b = place[jacobian.par[d]]
                    if b <= a:
                        V[a, b] += y * p * score_at(j, d, P, jacobian, u)


@kernel
def working_quantities(cells, nowhere, out):
    """Of the cells of sums at ν = f: log f (at the first), p s and max(p ω, 0) in `out`; `nowhere` is an empty path."""
    for first in range(len(cells.code)):
        if cells.code[first] < SUMMED or not cells.data[first, COUNT] > 0.0:
            continue
        end = first + int(cells.data[first, COUNT])
        logf = _value(first, -1, cells, nowhere)
        i = first
        while i < end:
            j = end_of_part(i, end, cells)
            p = math.exp(density_of_part(i, j, -1, cells, nowhere) - logf)
            L = 0.0
            for c in range(i, j):
                t, L = terms_of_cell(c, -1, cells, nowhere, L)
                out[c, 0], out[c, 1], out[c, 2] = 0.0, p * t[1], max(p * t[2], 0.0)
            i = j
        out[first, 0] = logf


@kernel
def posterior_of_parts(first, o, w, u, cells, path, out):
    """Fill out (sums, patterns) with E[p_k | y] of the sums that start at the cells `first`, on nodes of depth o.

    w (sums, S) and u (o + 1, sums, S) are the posterior over the points of their nodes' paths.
    """
    for j in range(len(first)):
        end = first[j] + int(cells.data[first[j], COUNT])
        for s in range(w.shape[1]):
            for b in range(o + 1):
                path[b] = u[b, j, s]
            logf = _value(first[j], o, cells, path)
            i = first[j]
            while i < end:
                last = end_of_part(i, end, cells)
                out[j, int(cells.data[i, TIMES])] += w[j, s] * math.exp(density_of_part(i, last, o, cells, path) - logf)
                i = last


@cache
def addresses() -> np.ndarray:
    """Where the kernels are, (6,) int64, in the order of those of composite links; they are compiled first."""
    kernels = _value, _terms, _front, _follow, _follow_mode, _information
    found = [dispatch.native_address(function, types) for function, types in zip(kernels, composites.argument_types())]
    return np.array(found, dtype=np.int64)
