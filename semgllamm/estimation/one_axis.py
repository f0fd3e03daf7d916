"""Complete answers to items of one latent variable: all sums over units by matrix products.

One answer of each item is its reference. With o_ir = 1 where unit i gave another answer r, T the tables of log f and T°
those of the references, the log integrand of all units at all nodes is

    O (T − T°) + 1 Σ_items T° − ½(η − μ)²/Σ,

the expected counts of the other answers are O'(wP), and the columns of derivatives x_i(q) = b(q) + Σ_r o_ir Δ_r(q)
are a sum of such tables too. Over q the Δ of all answers span few functions φ_k where families are canonical (1 and η
for logits, as ∂log f/∂ν = y − E(y|ν)): with Δ_r(q) = Σ_k φ_k(q) G_kr then

    E_i[x] = Σ_q P_i b + Σ_k E_i[φ_k] (OG_k)_i,
    Σ w E[xx'] = Σ_q N bb' + Σ_q (b Σ_r n_r Δ_r' + its transpose) + Σ_kl G_k' O' diag(w_i E_i[φ_k φ_l]) O G_l,

N(q) and n_r(q) the expected counts of all and of answer r.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from semgllamm.estimation.answers import Bound
from semgllamm.integration.grid import Units

__all__ = ["OneAxis", "Posterior", "Products", "one_axis"]

SPAN = 4  # functions of q up to which their products are fewer and cheaper than nodes
FLAT = 1e-11  # singular value, relative to the largest, of a function that is none
ROOM = 3e7  # entries of O up to which a matrix of zeros and ones is worth its room
NOWHERE = -1e4  # logs below it are nothing
NEGLIGIBLE = 1e-12


class Posterior(NamedTuple):
    """What a sweep gives: log L (n,), P (n, Q), E[e], E[e²], and the counts of the answers in their rows."""

    F: np.ndarray
    p: np.ndarray
    mean: np.ndarray
    second: np.ndarray
    counts: np.ndarray


class Products(NamedTuple):
    """E[x] (n, C), Σ w E[xx'] (C, C), Σ w E[xe] v' (C, covariates) and Σ w E[xe²] (C,)."""

    x: np.ndarray
    squares: np.ndarray
    with_e: np.ndarray
    with_ee: np.ndarray


class OneAxis:
    """The units of one group."""

    def __init__(self, code: np.ndarray, weight: np.ndarray, covariates: np.ndarray, bound: Bound, columns: int):
        self.weight, self.covariates, self.columns = weight, covariates, columns
        self.even = bool((covariates == covariates[0]).all())
        reference, rest, self.item = [], [], []
        for j in range(code.shape[1]):
            seen = np.bincount(code[:, j])
            # the most frequent answer leaves the sparsest O
            reference.append(int(seen.argmax()))
            others = [int(r) for r in np.flatnonzero(seen) if r != reference[-1]]
            rest += [(j, r) for r in others]
        self.reference = np.array(reference)
        self.rest = np.array([r for _, r in rest], dtype=np.int64)
        self.of = np.array([j for j, _ in rest], dtype=np.int64)
        self.O = np.empty((len(code), len(rest)))
        for k, (j, r) in enumerate(rest):
            np.equal(code[:, j], r, out=self.O[:, k], casting="unsafe")
        width = (bound.kind >= 0).sum(axis=1)
        self.place = [slice(int(bound.column[r]), int(bound.column[r] + width[r])) for r in reference]

    def sweep(self, log: np.ndarray, eta: np.ndarray, mean: np.ndarray, precision: float, constant: float,
              moments: bool) -> Posterior | None:  # fmt: skip
        """The posterior on the nodes `eta` (Q,) by tables `log` (R, Q); None where an answer is impossible."""
        if not (log[self.rest] > -np.inf).any(axis=1).all() or not (log[self.reference] > -np.inf).any(axis=1).all():
            return None
        log = np.maximum(log, NOWHERE)
        e = eta - (mean[:1, None] if self.even else mean[:, None])
        p = self.O @ (log[self.rest] - log[self.reference][self.of])
        p += log[self.reference].sum(axis=0) - 0.5 * precision * e * e
        top = p.max(axis=1)
        p -= top[:, None]
        np.exp(p, out=p)
        mass = p.sum(axis=1)
        F = top + np.log(mass) + constant
        if not moments:
            return Posterior(F, p, mass, mass, mass)
        p /= mass[:, None]
        counts = np.zeros_like(log)
        weighted = p if (self.weight == 1.0).all() else p * self.weight[:, None]
        counts[self.rest] = self.O.T @ weighted
        counts[self.reference] = weighted.sum(axis=0)
        np.subtract.at(counts, self.reference[self.of], counts[self.rest])
        return Posterior(F, p, self._mean(p, e), self._mean(p, e * e), counts)

    def _mean(self, p: np.ndarray, x: np.ndarray) -> np.ndarray:
        """E[x] of each unit, x (1 or n, Q)."""
        return p @ x[0] if len(x) == 1 else np.einsum("nq,nq->n", p, x)

    def moments(self, p: np.ndarray, eta: np.ndarray, mean: np.ndarray, highest: int) -> list[np.ndarray]:
        """E[e], E[e²], … of each unit."""
        e = eta - (mean[:1, None] if self.even else mean[:, None])
        return [self._mean(p, e**k) for k in range(1, highest + 1)]

    def _by_item(self, maps: np.ndarray) -> np.ndarray:
        """O maps (n, C), where the rows of an answer are zero but for the columns of its item."""
        out = np.zeros((len(self.O), self.columns))
        for j, columns in enumerate(self.place):
            mine = np.flatnonzero(self.of == j)
            if len(mine) == 1:
                np.multiply(self.O[:, mine], maps[mine, columns], out=out[:, columns])
            elif len(mine):
                out[:, columns] = self.O[:, mine] @ maps[mine, columns]
        return out

    def products(self, p: np.ndarray, tables: list[np.ndarray], eta: np.ndarray, mean: np.ndarray) -> Products | None:
        """Means and products of the items' columns; `tables` (Q, columns of its item) of each answer.

        None where the differences of answers span too many functions of η.
        """
        Q, C = p.shape[1], self.columns
        base = np.zeros((Q, C))
        for r, columns in zip(self.reference, self.place):
            base[:, columns] += tables[r]
        delta = [tables[r] - tables[self.reference[j]] for r, j in zip(self.rest, self.of)]
        spread = np.concatenate([np.zeros((Q, 0)), *delta], axis=1)
        U, size, Vt = np.linalg.svd(spread, full_matrices=False)
        span = int((size > FLAT * size[0]).sum()) if len(size) else 0
        if span > SPAN:
            return None
        phi, maps, at = U[:, :span] * size[:span], np.zeros((span, len(delta), C)), 0
        for k, (d, j) in enumerate(zip(delta, self.of)):
            maps[:, k, self.place[j]] = Vt[:span, at : at + d.shape[1]]
            at += d.shape[1]
        w, e = self.weight, eta - (mean[:1, None] if self.even else mean[:, None])
        weighted = p * w[:, None]
        parts = [self._by_item(m) for m in maps]
        x = p @ base
        for k in range(span):
            x += (p @ phi[:, k])[:, None] * parts[k]
        pe = weighted * e
        v = self.covariates
        with_e, with_ee = base.T @ (pe.T @ v), base.T @ (pe * e).sum(axis=0)
        for k in range(span):
            by_unit = self._mean(pe, phi[None, :, k])
            with_e += parts[k].T @ (by_unit[:, None] * v)
            with_ee += parts[k].T @ self._mean(pe, e * phi[:, k])
        squares = (base * weighted.sum(axis=0)[:, None]).T @ base
        counts, half = self.O.T @ weighted, np.zeros((C, C))
        for k in range(span):
            half += base.T @ ((phi[:, k, None] * counts.T) @ maps[k])
        squares += half + half.T
        for k in range(span):
            for l in range(k + 1):
                between = (self.O * (weighted @ (phi[:, k] * phi[:, l]))[:, None]).T @ self.O
                block = maps[k].T @ between @ maps[l]
                squares += block if k == l else block + block.T
        return Products(x, squares, with_e, with_ee)


def one_axis(units: Units, ranges, bound: Bound, axes: int) -> list[OneAxis | None] | None:
    """The units of each group as matrices; None where there are several latent variables, or an answer is missing."""
    code = units.code
    if axes != 1 or (code < 0).any() or len(code) * len(bound.code) > ROOM:
        return None
    return [
        OneAxis(code[lo:hi], units.weight[lo:hi], units.covariates[lo:hi], bound, bound.columns[0]) if hi > lo else None
        for lo, hi in ranges
    ]


def windows(p: np.ndarray) -> np.ndarray:
    """The range of nodes (n, 2) outside of which the posterior is negligible."""
    seen = p > NEGLIGIBLE
    return np.stack([seen.argmax(axis=1), p.shape[1] - seen[:, ::-1].argmax(axis=1)], axis=1)
