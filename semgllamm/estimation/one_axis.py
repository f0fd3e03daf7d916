"""Answers to items of one latent variable: all sums over units by patterns of answers.

Sums over units, and how blocks of items and their patterns give them, are told in integration/patterns.py. What is
left are the products of derivatives. The columns of derivatives are x_i(q) = b(q) + Σ_r o_ir Δ_r(q), with o_ir = 1
where unit i gave another answer r than the most frequent one. Where families are canonical and no answer is missing,
the Δ are linear in η, as ∂log f/∂ν = y − E(y|ν): Δ_r(q) = a_r + η_q g_r. What does not depend on η has no variance, so
that with G of rows g_r, m_i and v_i the mean and variance of η, O of o_ir and b = B' by nodes

    Σ w cov_i(x) = B'(N − P'wP)B + (B'DG + its transpose) + G'O' diag(w v) O G,   D_qr = Σ_i w P_i(q)(η_q − m_i) o_ir,

N(q) the expected counts of all, on a diagonal. The columns e w and e² of the distribution of η, e = η − μ, are
functions of q where all units have one μ; else ηw and −2μη + η² are columns like the others, O having w and μ beside
it. Small blocks of units keep products of matrices from having threads of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from semgllamm.estimation.answer_pairs import ItemsOfAxis
from semgllamm.integration import patterns
from semgllamm.integration.grid import Units

__all__ = ["Linear", "OneAxis", "Patterned", "Total", "one_axis"]

BENT = 1e-11  # a part of Δ that is not linear in η, relative to the largest, that is rounding
NOWHERE = -1e4  # logs below it are nothing
MOST_PATTERNS = 64  # of a block of several items
ALONE = 1 << 18  # multiplications up to which OpenBLAS takes a product of matrices on one thread, as ours are threads


class Patterned(NamedTuple):
    """log f of each pattern at the nodes (patterns, Q), its largest value, and f relative to that."""

    logs: np.ndarray
    top: np.ndarray
    table: np.ndarray


class Linear(NamedTuple):
    """B (Q, C), G (U, C), and what G multiplies beyond answers (n, …)."""

    B: np.ndarray
    G: np.ndarray
    beyond: np.ndarray


class Total(NamedTuple):
    """Sums over units by pattern: P'w and Σ w P(η − m); with `Linear` P'wP and D beyond answers."""

    counts: np.ndarray
    tilted: np.ndarray
    squares: np.ndarray
    beyond: np.ndarray


class OneAxis:
    """The units of one group.

    Parameters
    ----------
    code : (n, items) int array
        Rows of the tables, −1 for missing answers.
    weight : (n,) array
    covariates : (n, 1 + m) array
    place : sequence of slice
        The columns of derivatives of each item.
    start : (R,) int array
        Where the columns of each row of the tables begin among those of all.
    """

    def __init__(
        self, code: np.ndarray, weight: np.ndarray, covariates: np.ndarray, place: Sequence[slice], start: np.ndarray
    ):
        self.code, self.weight, self.covariates, self.place = code, weight, covariates, place
        self.start, self.rows = start, len(start)
        self.even = bool((covariates == covariates[0]).all())
        self._find_patterns()

    @cached_property
    def items(self) -> ItemsOfAxis:
        """The answers as most frequent ones and others."""
        return ItemsOfAxis(self.code, self.place, self.rows)

    def _find_patterns(self) -> None:
        """Blocks of items in a row, as many as have few patterns, and the pattern of each unit in each block."""
        n, J = self.code.shape
        local = np.ascontiguousarray(self.code.T)
        given = local >= 0
        gaps = ~given.all(axis=1)
        # the answers of an item are rows one after the other; 0 is a missing one
        local -= np.where(given, local, self.rows).min(axis=1)[:, None] - gaps[:, None]
        local[~given] = 0
        kinds_of = local.max(axis=1) + 1
        columns, members, total, j = [], [], 0, 0
        widest = 1
        while j < J:
            pattern, most, first = np.zeros(n, dtype=np.int64), 1, j
            while j < J:
                kinds = int(kinds_of[j])
                if j > first and most * kinds > MOST_PATTERNS:
                    break
                pattern += most * local[j]
                most, j = most * kinds, j + 1
            example = np.full(most, -1, dtype=np.int64)
            example[pattern] = np.arange(n)
            seen = example >= 0
            columns.append(total + (np.cumsum(seen) - 1)[pattern])
            members.append(self.code[example[seen], first:j])
            total, widest = total + int(seen.sum()), max(widest, j - first)
        self.pattern = np.stack(columns, axis=1)
        self.member = np.full((total, widest), -1, dtype=np.int64)
        at = 0
        for block in members:
            self.member[at : at + len(block), : block.shape[1]] = block
            at += len(block)
        self.first_block = len(members[0])

    def patterned(self, log: np.ndarray) -> Patterned:
        """The tables of patterns by those of answers (R, Q)."""
        logs, top = np.empty((len(self.member), log.shape[1])), np.empty(len(self.member))
        patterns.fill_patterns(self.member, np.maximum(log, NOWHERE), logs, top)
        with np.errstate(invalid="ignore"):  # where parameters are impossible
            return Patterned(logs, top, np.exp(logs - top[:, None]))

    def impossible(self, log: np.ndarray) -> bool:
        """Whether an answer that was given has no density at any node; `log` (R, Q)."""
        given = np.unique(self.member[self.member >= 0])
        return not (log[given] > -np.inf).any(axis=1).all()

    @cached_property
    def _slots(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each other answer's columns: its place, that of the most frequent answer, and the column of x."""
        items, own, base, column = self.items, [], [], []
        for r, j in zip(items.rest, items.of):
            span = np.arange(self.place[j].stop - self.place[j].start)
            own.append(self.start[r] + span)
            base.append(self.start[items.reference[j]] + span)
            column.append(self.place[j].start + span)
        return tuple(np.concatenate([np.zeros(0, dtype=np.int64), *found]) for found in (own, base, column))

    @cached_property
    def _base(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns of x, and where those of the most frequent answers are."""
        spans = [(np.arange(p.start, p.stop), self.start[r]) for r, p in zip(self.items.reference, self.place)]
        return (np.concatenate([at for at, _ in spans]),
                np.concatenate([begin + np.arange(len(at)) for at, begin in spans]))  # fmt: skip

    def linear(self, columns: np.ndarray, eta: np.ndarray, mean: np.ndarray) -> Linear | None:
        """The columns of derivatives, by those of all answers (…, Q) and the means of η (n,).

        None where the differences of answers are not linear in η, or answers are missing.
        """
        items = self.items
        if (items.reference < 0).any() or (items.rest < 0).any():
            return None
        Q, extra = len(eta), self.covariates.shape[1]
        own = max(p.stop for p in self.place)
        slots, base, column = self._slots
        delta = columns[slots] - columns[base]
        line = np.stack([np.ones(Q), eta])
        slopes = delta @ np.linalg.pinv(line)
        if np.abs(delta - slopes @ line).max(initial=0.0) > BENT * np.abs(delta).max(initial=0.0):
            return None
        B = np.zeros((Q, own + extra + 1))
        into, taken = self._base
        B[:, into] = columns[taken].T
        U, n_more = len(items.rest), 0 if self.even else extra
        G = np.zeros((U + n_more, B.shape[1]))
        width = np.array([p.stop - p.start for p in self.place], dtype=np.int64)[items.of]
        G[np.repeat(np.arange(U), width), column] = slopes[:, 1]
        if self.even:
            e = eta - mean[0]
            B[:, own:-1], B[:, -1] = e[:, None] * self.covariates[0], e * e
            return Linear(B, G, np.zeros((len(self.weight), 0)))
        B[:, own], B[:, -1] = eta, eta * eta
        w = np.arange(extra - 1)
        G[U + w, own + 1 + w] = 1.0
        G[-1, -1] = -2.0
        return Linear(B, G, np.column_stack([self.covariates[:, 1:], mean]))

    def room(self, Q: int, linear: Linear | None) -> Total:
        """Sums to add to."""
        counts = np.zeros((len(self.member), Q))
        if linear is None:
            return Total(counts, np.zeros((0, Q)), np.zeros((0, 0)), np.zeros((Q, 0)))
        return Total(counts, np.zeros_like(counts), np.zeros((Q, Q)), np.zeros((Q, linear.beyond.shape[1])))

    def sweep(
        self, lo: int, hi: int, at: Patterned, eta: np.ndarray, mean: np.ndarray, precision: float, constant: float,
        F: np.ndarray, first: np.ndarray, second: np.ndarray, total: Total, linear: Linear | None, kept: np.ndarray,
        window: np.ndarray,
    ) -> None:  # fmt: skip
        """log L (n,) of the units lo..hi on the nodes `eta` (Q,), and what is asked for beside.

        Parameters
        ----------
        lo, hi : int
        at, eta, mean, precision, constant
            The means of η are of all units (n,).
        F : (n,) array
            Filled in.
        first, second : (n,) arrays
            E[e] and E[e²], filled in; empty if log L is all that is wanted.
        total : Total
            Added to.
        linear : Linear, optional
            With it the products are added up too.
        kept, window : (n, Q) and (n, 2) arrays
            Filled with the posteriors and where they are not negligible, unless empty.
        """
        prior = np.exp(-0.5 * precision * (eta - mean[0]) ** 2) if self.even else np.zeros(0)
        if linear is not None:
            # those of this range alone
            own = slice(lo, hi)
            kept, window = np.zeros((hi - lo, len(eta))), np.zeros((hi - lo, 2), dtype=np.int64)
            some = (self.pattern[own], mean[own], self.weight[own], F[own], first[own], second[own])
            begin, end = 0, hi - lo
        else:
            some = (self.pattern, mean, self.weight, F, first, second)
            begin, end = lo, hi
        codes, mu, weight, F, first, second = some
        patterns.sweep_patterns(
            begin, end, codes, at.table, at.logs, at.top, eta, mu, precision, prior, constant, weight,
            np.empty(len(eta)), F, first, second, total.counts, total.tilted, kept, window,
        )  # fmt: skip
        if linear is not None:
            self._multiply(lo, hi, eta, mu + first, kept, window, total, linear)

    def _multiply(self, lo: int, hi: int, eta, m, kept, window, total: Total, linear: Linear) -> None:
        """Add the products of posteriors of the units lo..hi, with means m of η."""
        beyond, n, weight = linear.beyond[lo:hi], hi - lo, self.weight[lo:hi]
        alike = bool((weight == 1.0).all())
        block = max(ALONE // (len(eta) * (len(eta) + 1)), 1)
        for a in range(0, n, block):
            some = slice(a, min(a + block, n))
            q = slice(window[some, 0].min(), window[some, 1].max())
            p = kept[some, q]
            weighted = p if alike else p * weight[some, None]
            total.squares[q, q] += weighted.T @ p
            if beyond.shape[1]:
                given = beyond[some]
                total.beyond[q] += eta[q, None] * (weighted.T @ given) - weighted.T @ (given * m[some, None])

    def covariance(self, total: Total, linear: Linear, variance: np.ndarray) -> np.ndarray:
        """Σ w cov_i(x), (C, C), with the posterior variances of η (n,)."""
        B, G, beyond = linear
        rest, U = self.items.rest, len(self.items.rest)
        nodes = total.counts[: self.first_block].sum(axis=0)
        D = np.concatenate([self.counts(total.tilted)[rest].T, total.beyond], axis=1)
        out = (B * nodes[:, None]).T @ B - B.T @ total.squares @ B
        half = B.T @ D @ G
        value = self.weight * variance
        between = np.zeros((len(G), len(G)))
        between[:U, :U] = self._between(value)[np.ix_(rest, rest)]
        if beyond.shape[1]:
            by_pattern = [
                np.bincount(self.pattern.ravel(), np.repeat(value * x, self.pattern.shape[1]), len(self.member))
                for x in beyond.T
            ]
            between[:U, U:] = self.counts(np.stack(by_pattern, axis=1))[rest]
            between[U:, :U] = between[:U, U:].T
            between[U:, U:] = (beyond * value[:, None]).T @ beyond
        return out + half + half.T + G.T @ between @ G

    def _between(self, value: np.ndarray) -> np.ndarray:
        """Σ_i value_i (n,) of the units that gave both of two answers, (R, R)."""
        n, once = len(self.member), np.zeros(len(self.member))
        across = np.zeros((n, n))
        patterns.add_pairs_of_patterns(self.pattern, value, once, across)
        half = self.counts(np.ascontiguousarray(self.counts(across).T))
        within = np.zeros((n, self.rows))
        for member in self.member.T:
            given = member >= 0
            within[given, member[given]] = once[given]
        return half + half.T + self.counts(within)

    def counts(self, by_pattern: np.ndarray) -> np.ndarray:
        """The sums of patterns, added up for each answer (R, Q)."""
        out = np.zeros((self.rows, by_pattern.shape[1]))
        patterns.spread_counts(self.member, by_pattern, out)
        return out


def one_axis(units: Units, ranges, place: Sequence[slice], start: np.ndarray) -> list[OneAxis | None]:
    """The units of each group, None where a group has none."""
    return [
        OneAxis(units.code[lo:hi], units.weight[lo:hi], units.covariates[lo:hi], place, start) if hi > lo else None
        for lo, hi in ranges
    ]
