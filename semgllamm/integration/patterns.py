"""Units with one latent variable, by the patterns of their answers to blocks of items.

The items fall into blocks of so few that their answers, missing ones among them, come in few patterns. With
t_b(q) = Π_{j ∈ b} f_j(y_j | η_q) tabulated for each pattern of a block, relative to the largest of its row, and equally
spaced nodes η_q, h apart, the likelihood of a unit is

    L_i = h Σ_q N(η_q; μ_i, 1/K) Π_b t_b(q),

a few products for each node in place of a sum over items and an exponential. The posteriors P_i(q) are added up by
pattern in the same way; an answer's expected counts are those of the patterns that it is part of.

Products of derivatives need the expected counts of pairs of answers, N_rs(q) = Σ_i w_i o_ir o_is P_i(q), o_ir being 1
where unit i gave answer r. Those of the most frequent answer of each item follow from the others, which alone are
added up. With Δ_r(q) the derivatives of an answer in the item's parameters less those of the item's most frequent one
(a missing answer has none), b(q) the sum of the latter over items, and N(q) the expected counts of all units,

    Σ_i w_i E_i[xx'] = Σ_q N bb' + Σ_r N_r (bΔ_r' + Δ_r b') + Σ_rs N_rs Δ_r Δ_s'.
"""

from __future__ import annotations

import math

from semgllamm.integration.grid import sum_of
from semgllamm.responses.jit import kernel

__all__ = ["add_pairs", "add_pairs_of_patterns", "count_pairs", "fill_patterns", "spread_counts", "sweep_patterns",
           "take_means"]  # fmt: skip

TINY = 1e-250  # a sum of products below it may have lost what mattered, and is taken in logs
NEGLIGIBLE = 1e-18  # of a unit's posterior


@kernel
def fill_patterns(member, log, logs, top):
    """logs (patterns, Q): the sum of log f over the answers (patterns, widest) of each, −1 for none; and its top."""
    Q = log.shape[1]
    for k in range(len(member)):
        row = logs[k]
        for q in range(Q):
            row[q] = 0.0
        for j in range(member.shape[1]):
            r = member[k, j]
            if r >= 0:
                for q in range(Q):
                    row[q] += log[r, q]
        largest = -math.inf
        for q in range(Q):
            largest = max(largest, row[q])
        top[k] = largest


@kernel
def spread_counts(member, counts, out):
    """Add the counts of patterns (patterns, Q) to those of their answers (R, Q)."""
    for k in range(len(member)):
        for j in range(member.shape[1]):
            r = member[k, j]
            if r >= 0:
                for q in range(counts.shape[1]):
                    out[r, q] += counts[k, q]


@kernel
def fill_normal(eta, mean, precision, out):
    """exp(−½K(η − μ)²) at equally spaced nodes, by ratios of neighbours, from the node next to μ."""
    Q = len(eta)
    step = eta[1] - eta[0]
    nearest = min(max(round((mean - eta[0]) / step), 0), Q - 1)
    e = eta[nearest] - mean
    out[nearest] = math.exp(-0.5 * precision * e * e)
    half, bend = 0.5 * precision * step * step, math.exp(-precision * step * step)
    up, down = math.exp(-precision * step * e - half), math.exp(precision * step * e - half)
    for q in range(nearest + 1, Q):
        out[q] = out[q - 1] * up
        up *= bend
    for q in range(nearest - 1, -1, -1):
        out[q] = out[q + 1] * down
        down *= bend


@kernel
def fill_by_logs(codes, logs, eta, mean, precision, out):
    """The integrand relative to its largest value, whose log is returned."""
    largest = -math.inf
    for q in range(len(eta)):
        e = eta[q] - mean
        v = -0.5 * precision * e * e
        for b in range(len(codes)):
            v += logs[codes[b], q]
        out[q] = v
        largest = max(largest, v)
    for q in range(len(eta)):
        out[q] = math.exp(out[q] - largest)
    return largest


@kernel
def moments(p, eta, mu):
    """Σ p e and Σ p e², e = η − μ, each in two parts, which may be added side by side."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    n = len(p)
    for q in range(0, n - n % 2, 2):
        e, f = eta[q] - mu, eta[q + 1] - mu
        x, y = p[q] * e, p[q + 1] * f
        a += x
        b += y
        c += x * e
        d += y * f
    if n % 2:
        e = eta[n - 1] - mu
        x = p[n - 1] * e
        a += x
        c += x * e
    return a + b, c + d


@kernel
def inner(p, x):
    """Σ p x in four parts."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    n = len(p)
    m = n - n % 4
    for q in range(0, m, 4):
        a += p[q] * x[q]
        b += p[q + 1] * x[q + 1]
        c += p[q + 2] * x[q + 2]
        d += p[q + 3] * x[q + 3]
    for q in range(m, n):
        a += p[q] * x[q]
    return (a + b) + (c + d)


@kernel
def sweep_patterns(
    lo, hi, pattern, table, logs, top, eta, mean, precision, prior, constant, weight, room, F, first, second, counts,
    tilted, kept, window
):
    """log L of the units lo..hi and, if `first` is not empty, E[e] and E[e²] of e = η − μ, and counts by pattern.

    `pattern` (n, blocks) are rows of `table` and of `logs` (patterns, Q), the latter before they were divided by their
    largest, exp `top`. `prior` (Q,) is exp(−½K(η − μ)²) if all units have one μ, else empty. `tilted` (patterns, Q)
    gets Σ w P (η − E_i[η]), `kept` (n, Q) the posteriors and `window` (n, 2) where they are not negligible, unless
    empty.
    """
    Q, blocks = len(eta), pattern.shape[1]
    for i in range(lo, hi):
        mu, codes = mean[i], pattern[i]
        if len(prior) > 0:
            for q in range(Q):
                room[q] = prior[q]
        else:
            fill_normal(eta, mu, precision, room)
        shift = 0.0
        for b in range(blocks):
            row = table[codes[b]]
            shift += top[codes[b]]
            for q in range(Q):
                room[q] *= row[q]
        mass = sum_of(room, Q)
        if not mass > TINY:
            shift = fill_by_logs(codes, logs, eta, mu, precision, room)
            mass = sum_of(room, Q)
        if not (mass > 0.0 and mass < math.inf):
            F[i] = -math.inf
            continue
        F[i] = shift + math.log(mass) + constant
        if len(first) == 0:
            continue
        left, right = 0, Q
        while room[left] <= NEGLIGIBLE * mass:
            left += 1
        while room[right - 1] <= NEGLIGIBLE * mass:
            right -= 1
        # loops from 0 on slices: numba then knows that no index is negative, and works on several at a time
        p, at = room[left:right], eta[left:right]
        scale = 1.0 / mass
        for q in range(len(p)):
            p[q] *= scale
        one, two = moments(p, at, mu)
        first[i], second[i] = one, two
        if len(kept) > 0:
            row = kept[i, left:right]
            for q in range(len(p)):
                row[q] = p[q]
            window[i, 0], window[i, 1] = left, right
        w = weight[i]
        for q in range(len(p)):
            p[q] *= w
        for b in range(blocks):
            row = counts[codes[b], left:right]
            for q in range(len(p)):
                row[q] += p[q]
        if len(tilted) > 0:
            for q in range(len(p)):
                p[q] *= at[q] - mu - one
            for b in range(blocks):
                row = tilted[codes[b], left:right]
                for q in range(len(p)):
                    row[q] += p[q]


@kernel
def add_pairs_of_patterns(pattern, value, once, across):
    """Σ_i value_i (n,) of the units that have a pattern, and two of different blocks, the first one's block first."""
    blocks = pattern.shape[1]
    for i in range(len(pattern)):
        v = value[i]
        for a in range(blocks):
            once[pattern[i, a]] += v
            row = across[pattern[i, a]]
            for b in range(a + 1, blocks):
                row[pattern[i, b]] += v


@kernel
def take_means(lo, hi, answer, columns, start, width, at, kept, window, eta, mean, powers, out):
    """E[x eᵏ] of the items' columns, k up to `powers`, (powers + 1, n, columns of the axis).

    `answer` (n, items) are rows of `columns` (…, Q): those of answer r begin at `start[r]`, and are `width[r]`, and
    belong to columns from `at[r]` on; −1 is a missing answer. `kept` (n, Q) are posteriors, changed by powers of e.
    """
    for i in range(lo, hi):
        first, last = window[i, 0], window[i, 1]
        p, e = kept[i, first:last], eta[first:last]
        for power in range(powers + 1):
            if power > 0:
                for q in range(len(p)):
                    p[q] *= e[q] - mean[i]
            for j in range(answer.shape[1]):
                r = answer[i, j]
                if r < 0:
                    continue
                for l in range(width[r]):
                    out[power, i, at[r] + l] = inner(p, columns[start[r] + l, first:last])


@kernel
def count_pairs(lo, hi, other, kept, window, weight, listed, pairs):
    """N_rs (pairs, Q) of answers r ≥ s, in the row r(r + 1)/2 + s, of the units lo..hi.

    `other` (n, items) numbers the answers but the most frequent ones, which are −1; `listed` (items,) is room.
    """
    for i in range(lo, hi):
        n = 0
        for j in range(other.shape[1]):
            if other[i, j] >= 0:
                listed[n] = other[i, j]
                n += 1
        first, last, w = window[i, 0], window[i, 1], weight[i]
        p = kept[i, first:last]
        for a in range(n):
            begin = listed[a] * (listed[a] + 1) // 2
            for b in range(a + 1):
                row = pairs[begin + listed[b], first:last]
                for q in range(len(p)):
                    row[q] += w * p[q]


@kernel
def add_pairs(pairs, delta, width, at, out):
    """Add Σ_q N_rs Δ_r Δ_s' to `out`, lower triangle; Δ (answers, most, Q) in the columns from `at` (answers,) on."""
    for r in range(len(delta)):
        for s in range(r + 1):
            row = pairs[r * (r + 1) // 2 + s]
            for l in range(width[r]):
                for m in range(width[s]):
                    total = 0.0
                    for q in range(len(row)):
                        total += row[q] * delta[r, l, q] * delta[s, m, q]
                    out[at[r] + l, at[s] + m] += total
