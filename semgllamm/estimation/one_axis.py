"""Complete answers to items of one latent variable: all sums over units by matrix products.

One answer of each item is its reference. With o_ir = 1 where unit i gave another answer r, T the tables of log f and T°
those of the references, the log integrand of all units at all nodes is

    O (T − T°) + 1 Σ_items T° − ½(η − μ)²/Σ,

and the expected counts of the other answers are O'(wP). The columns of derivatives are x_i(q) = b(q) + Σ_r o_ir Δ_r(q).
Where families are canonical the Δ are linear in η, as ∂log f/∂ν = y − E(y|ν): Δ_r(q) = a_r + η_q g_r. What does not
depend on η has no variance, so that with G of rows g_r, m_i and v_i the mean and variance of η and b = B' by nodes

    Σ w cov_i(x) = B'(N − P'wP)B + (B'DG + its transpose) + G'O' diag(w v) O G,      D = P'(η ∘ wO) − P'(wm ∘ O),

N(q) the expected counts of all, on a diagonal. The columns e w and e² of the distribution of η, e = η − μ, are
functions of q where all units have one μ; else ηw and −2μη + η² are columns like the others, O having w and μ beside
it. Units are worked on in blocks, on the nodes that matter to some unit of the block; those next to each other have
similar sums of answers. Ranges of units share the threads, and small blocks keep products of matrices from having
threads of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from semgllamm.estimation.answers import Bound
from semgllamm.integration.grid import Units

__all__ = ["Linear", "OneAxis", "Total", "one_axis"]

BENT = 1e-11  # a part of Δ that is not linear in η, relative to the largest, that is rounding
ROOM = 3e7  # entries of O up to which a matrix of zeros and ones is worth its room
NOWHERE = -1e4  # logs below it are nothing
NEGLIGIBLE = 1e-12
NOTHING = -40.0  # logs relative to the largest of a unit, below which they are rounding
ALONE = 1 << 18  # multiplications up to which OpenBLAS takes a product of matrices on one thread, as ours are threads


class Linear(NamedTuple):
    """B (Q, C), G (U, C) and what G multiplies (n, U)."""

    B: np.ndarray
    G: np.ndarray
    U: np.ndarray


class Total(NamedTuple):
    """Sums over units: P'w1 (Q,), P'wO (Q, U), and with `Linear` P'wP, P'(wm ∘ O) and O' diag(w v) O."""

    nodes: np.ndarray
    counts: np.ndarray
    squares: np.ndarray
    along: np.ndarray
    between: np.ndarray

    def covariance(self, linear: Linear, eta: np.ndarray) -> np.ndarray:
        """Σ w cov_i(x), (C, C)."""
        B, G, _ = linear
        out = (B * self.nodes[:, None]).T @ B - B.T @ self.squares @ B
        half = B.T @ (eta[:, None] * self.counts - self.along) @ G
        return out + half + half.T + G.T @ self.between @ G


class OneAxis:
    """The units of one group.

    Parameters
    ----------
    code : (n, items) int array
    weight : (n,) array
    covariates : (n, 1 + m) array
    bound : Bound
    """

    def __init__(self, code: np.ndarray, weight: np.ndarray, covariates: np.ndarray, bound: Bound):
        self.weight, self.covariates, self.columns = weight, covariates, bound.columns[0]
        self.even = bool((covariates == covariates[0]).all())
        self.alike = bool((weight == 1.0).all())
        reference, rest = [], []
        for j in range(code.shape[1]):
            seen = np.bincount(code[:, j])
            # the most frequent answer leaves the sparsest O
            reference.append(int(seen.argmax()))
            rest += [(j, int(r)) for r in np.flatnonzero(seen) if r != reference[-1]]
        self.reference = np.array(reference)
        self.rest = np.array([r for _, r in rest], dtype=np.int64)
        self.of = np.array([j for j, _ in rest], dtype=np.int64)
        self.O = np.empty((len(code), len(rest)))
        for k, (j, r) in enumerate(rest):
            np.equal(code[:, j], r, out=self.O[:, k], casting="unsafe")
        width = (bound.kind >= 0).sum(axis=1)
        self.place = [slice(int(bound.column[r]), int(bound.column[r] + width[r])) for r in reference]

    def linear(self, tables: list[np.ndarray], eta: np.ndarray, mean: np.ndarray) -> Linear | None:
        """The columns of derivatives, by `tables` (Q, columns of its item) of each answer and the means of η (n,).

        None where the differences of answers are not linear in η.
        """
        Q, extra = len(eta), self.covariates.shape[1]
        B = np.zeros((Q, self.columns + extra + 1))
        for r, columns in zip(self.reference, self.place):
            B[:, columns] += tables[r]
        delta = [tables[r] - tables[self.reference[j]] for r, j in zip(self.rest, self.of)]
        both = np.concatenate([np.zeros((Q, 0)), *delta], axis=1)
        line = np.stack([np.ones(Q), eta], axis=1)
        slopes = np.linalg.lstsq(line, both, rcond=None)[0]
        if np.abs(both - line @ slopes).max(initial=0.0) > BENT * np.abs(both).max(initial=0.0):
            return None
        n_more = 0 if self.even else extra
        G, at = np.zeros((len(self.rest) + n_more, B.shape[1])), 0
        for k, j in enumerate(self.of):
            width = self.place[j].stop - self.place[j].start
            G[k, self.place[j]] = slopes[1, at : at + width]
            at += width
        if self.even:
            e = eta - mean[0]
            B[:, self.columns : -1], B[:, -1] = e[:, None] * self.covariates[0], e * e
            return Linear(B, G, self.O)
        B[:, self.columns], B[:, -1] = eta, eta * eta
        own = np.arange(extra - 1)
        G[len(self.rest) + own, self.columns + 1 + own] = 1.0
        G[-1, -1] = -2.0
        return Linear(B, G, np.column_stack([self.O, self.covariates[:, 1:], mean]))

    def impossible(self, log: np.ndarray) -> bool:
        """Whether an answer that was given has no density at any node; `log` (R, Q)."""
        given = np.concatenate([self.rest, self.reference])
        return not (log[given] > -np.inf).any(axis=1).all()

    def room(self, Q: int, linear: Linear | None) -> Total:
        """Sums to add to."""
        width = len(self.rest) if linear is None else len(linear.G)
        products = (0, 0) if linear is None else (Q, width)
        return Total(
            np.zeros(Q), np.zeros((Q, width)), np.zeros((products[0], products[0])), np.zeros(products),
            np.zeros((products[1], products[1])),
        )  # fmt: skip

    def sweep(
        self, lo: int, hi: int, log: np.ndarray, eta: np.ndarray, mean: np.ndarray, precision: float, constant: float,
        F: np.ndarray, first: np.ndarray | None, second: np.ndarray, total: Total, linear: Linear | None,
        kept: np.ndarray | None,
    ) -> None:  # fmt: skip
        """log L (n,) of the units lo..hi by tables `log` (R, Q) on the nodes `eta` (Q,), and what is asked for beside.

        Parameters
        ----------
        lo, hi : int
        log, eta, mean, precision, constant
            The means of η are of all units (n,).
        F : (n,) array
            Filled in.
        first, second : (n,) arrays
            E[e] and E[e²], filled in; `first` is None if log L is all that is wanted.
        total : Total
            Added to.
        linear : Linear, optional
            With it the products are added up too.
        kept : (n, Q) array, optional
            Filled with the posteriors.
        """
        log = np.maximum(log, NOWHERE)
        table = log[self.rest] - log[self.reference][self.of]
        base = log[self.reference].sum(axis=0)
        if self.even:
            base -= 0.5 * precision * (eta - mean[0]) ** 2
        U = self.O if linear is None else linear.U
        powers = np.stack([np.ones(len(eta)), eta, eta * eta], axis=1)
        top, sums = np.zeros(hi - lo), np.ones((hi - lo, 3))
        block = max(ALONE // (len(eta) * max(len(table), 1)), 1)
        for a in range(lo, hi, block):
            some, own = slice(a, min(a + block, hi)), slice(a - lo, min(a + block, hi) - lo)
            p = self.O[some] @ table
            p += base if self.even else base - 0.5 * precision * (eta - mean[some, None]) ** 2
            top[own] = p.max(axis=1)
            p -= top[own, None]
            near = np.flatnonzero(p.max(axis=0) > NOTHING)
            q = slice(near[0], near[-1] + 1)
            p = np.exp(p[:, q])
            moments = p @ powers[q]
            sums[own] = moments
            if first is None:
                continue
            p /= moments[:, :1]
            if kept is not None:
                kept[some, q] = p
            weighted = p if self.alike else p * self.weight[some, None]
            given = U[some]
            total.nodes[q] += weighted.sum(axis=0)
            total.counts[q] += weighted.T @ given
            if linear is not None:
                one, two = (moments[:, 1:] / moments[:, :1]).T
                total.squares[q, q] += weighted.T @ p
                total.along[q] += weighted.T @ (given * one[:, None])
                total.between[:] += (given * (self.weight[some] * (two - one * one))[:, None]).T @ given
        mass, mu = sums[:, 0], mean[lo:hi]
        F[lo:hi] = top + np.log(mass) + constant
        if first is not None:
            one, two = sums[:, 1] / mass, sums[:, 2] / mass
            first[lo:hi] = one - mu
            second[lo:hi] = two - mu * (2 * one - mu)

    def counts(self, total: Total, rows: int) -> np.ndarray:
        """Expected counts (rows, Q) of the answers at the nodes."""
        out = np.zeros((rows, len(total.nodes)))
        out[self.rest] = total.counts[:, : len(self.rest)].T
        out[self.reference] = total.nodes
        np.subtract.at(out, self.reference[self.of], out[self.rest])
        return out


def one_axis(units: Units, ranges, bound: Bound, axes: int) -> list[OneAxis | None] | None:
    """The units of each group as matrices; None where there are several latent variables, or an answer is missing."""
    code = units.code
    if axes != 1 or (code < 0).any() or len(code) * len(bound.code) > ROOM:
        return None
    return [
        OneAxis(code[lo:hi], units.weight[lo:hi], units.covariates[lo:hi], bound) if hi > lo else None
        for lo, hi in ranges
    ]


def windows(p: np.ndarray) -> np.ndarray:
    """The range of nodes (n, 2) outside of which the posterior is negligible."""
    seen = p > NEGLIGIBLE
    return np.stack([seen.argmax(axis=1), p.shape[1] - seen[:, ::-1].argmax(axis=1)], axis=1)
