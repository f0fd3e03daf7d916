"""What the engine integrates: the cells and the integration trees of all units, as arrays.

    log L = Σ_cells w · constant + Σ_roots w log F,      F by the recursion over each root's tree (recursion.py),

as a function of the cells' predictors ν_i = f_i + Σ_a d_ia u_a and own parameters τ1, τ2, ...: `lin` holds (f, τ1,
τ2, ...) and `D` the d_ia of each cell, a = 0 at the root of its tree. The order of nodes and cells is the engine's
own: trees are in preorder, the cells of a node are together, and units that are identical are kept once, with a
weight.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from semgllamm.integration import choices, composites, inner_classes
from semgllamm.integration.arrays import (
    ANY_VALUE,
    BENT,
    COUNT,
    DEPTH,
    END,
    FIRST,
    LAST,
    PARENT,
    RULE,
    SUM_VALUE,
    TIMES,
    TRIALS,
    Cells,
    Jacobian,
    Places,
    Rules,
    Trees,
)
from semgllamm.integration.collapse import collapse, depths
from semgllamm.integration.gauss_hermite import rules
from semgllamm.integration.products import engine
from semgllamm.responses import adjacent, registry

__all__ = ["Evaluation", "Program", "Workspace", "build", "threads_of"]

WORTH_A_THREAD = 20_000  # terms of cells; fewer take less than some 200 microseconds
WORTH_A_PART = 10_000
WORTH_A_BLOCK = 1_000_000  # points of nodes that are held at once
PARTS = 16  # ranges of roots that threads take in turn: units differ in size, and threads in luck


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The likelihood at one value of the predictors.

    Parameters
    ----------
    loglik : float
        −∞ where a unit has no joint mode or a value is not finite.
    roots_loglik : (roots,) float
        log F of each kept root, without its weight and without the constants.
    R : (cells, 1 + width + T) float or None
        Derivatives of `loglik` in f, the columns of D, τ1, ..., τT of each cell; None if they were not asked for, or
        the value is −∞.
    held : array of the same shape, or None
        The same with the points held, where both were asked for.
    """

    loglik: float
    roots_loglik: np.ndarray
    R: np.ndarray | None
    held: np.ndarray | None = None


class Workspace:
    """Where the points of a program were placed last: a search for the only mode starts from the last one.

    Parameters
    ----------
    program : Program
    threads : int, optional
        At most this many threads; the number of processors if none is given.
    """

    def __init__(self, program: Program, threads: int | None = None):
        N, P = len(program.tree), program.depth
        self.threads = threads or os.cpu_count() or 1
        self.m, self.T, self.G = np.zeros(N), np.ones(N), np.zeros((N, P))
        self.M, self.g, self.step = np.zeros((N, P, P)), np.zeros((N, P)), np.zeros(N)

    @property
    def places(self) -> Places:
        """The arrays that place the points."""
        return Places(self.m, self.T, self.G, self.M, self.g, self.step)

    def reset(self) -> None:
        """Start the next search from u = 0, so that its digits do not depend on those before."""
        self.m[:] = 0.0

    def place_at_prior(self) -> None:
        """m = 0, G = 0, T = 1: the points of the ordinary rule."""
        self.m[:], self.T[:], self.G[:] = 0.0, 1.0, 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Cells and trees in the engine's order; `build` makes one.

    Parameters
    ----------
    code : (Nc,) int64
        Family code of each kept cell.
    cell : (Nc, 3) float
        Its response, number of trials and weight; a fourth column where products of latent variables bend some
        predictor, six columns where there are composite links (`arrays`).
    tree : (N, 6) int64
        Of each kept node, in preorder: depth, parent, first own cell, end of own cells, end of its subtree, rule.
    weight, share : (N,) float
        Number (or weight) of the identical nodes that it stands for under its parent, and the product of these from
        its root on.
    roots : (roots,) int64
    depth : int
        Nodes on the longest path, P.
    constant : float
        The terms of log L without parameters.
    cells : (Nc,) int64
        Which of the given cells each kept cell is.
    representative : (given nodes,) int64
        The kept node that stands for each given node.
    n_rules : int
    largest : tuple of int
        The numbers of nodes and of cells of the largest tree, and of cells of a node.
    codes : (codes,) int64
        The family codes that there are.
    one_mode : bool
        Whether every log f is concave in ν, so that no search for a mode depends on where it starts.
    """

    code: np.ndarray
    cell: np.ndarray
    tree: np.ndarray
    weight: np.ndarray
    share: np.ndarray
    roots: np.ndarray
    depth: int
    constant: float
    cells: np.ndarray
    representative: np.ndarray
    n_rules: int
    largest: tuple[int, int, int]
    codes: np.ndarray
    one_mode: bool

    @property
    def bends(self) -> bool:
        """Whether products of latent variables enter some predictor."""
        return self.cell.shape[1] == BENT + 1

    @property
    def width(self) -> int:
        """Columns of D: P, and as many more as there are pairs of coordinates where some predictor is bent."""
        return self.depth + (self.depth * (self.depth + 1) // 2 if self.bends else 0)

    @property
    def sums_classes(self) -> bool:
        """Whether some answers are summed over classes at each point."""
        return bool((self.codes >= registry.SUMMED).any())

    @property
    def _room(self) -> int:
        """Numbers that the kernels of fronts have room for."""
        return self.depth * (inner_classes.VECTORS if self.sums_classes else 1)

    def workspace(self, threads: int | None = None) -> Workspace:
        """Arrays for evaluations one after the other; threads that evaluate side by side need one each."""
        return Workspace(self, threads)

    def evaluate(
        self,
        lin: np.ndarray,
        D: np.ndarray,
        points: tuple[int, ...],
        *,
        ordinary: bool = False,
        moments: int = 0,
        workspace: Workspace | None = None,
    ) -> Evaluation:
        """log L, and its derivatives in the cells' predictors.

        Parameters
        ----------
        lin : (cells, 1 + T) float
            f and τ1, ..., τT of each kept cell; T is 2 unless a response has more thresholds in its density.
        D : (cells, width) float
            Its coefficients of the coordinates on its path, and of their products where there are some.
        points : tuple of int
            Number of points for each class of rules. Where there are products, leaves of the last class are placed
            anew for each path: their cells are Gaussian and linear in the leaf's coordinate.
        ordinary : bool
            Leave the points where the prior has them.
        moments : {0, 1, 2, 3}
            0: the value alone; 1: derivatives at fixed points (posterior means); 2: total derivatives; 3: both.
        workspace : Workspace, optional
            Where the search for the modes starts, and where they are left.
        """
        recursion, score = engine("recursion", self.bends), engine("score", self.bends)

        trees, cells = self._trees(), self._cells(lin, D)
        places, place = self._placement(cells, workspace := workspace or self.workspace(), ordinary)
        both, moments = moments > 2, min(moments, 1 if ordinary else 2)
        chosen = Rules(*rules(points))
        F = np.empty(len(self.roots))
        T = lin.shape[1] - 1
        R = np.zeros((len(self.cells) if moments > 0 else 1, self.width + lin.shape[1]))
        N = np.zeros((len(self.tree) if moments > 1 else 1, self.depth + 2))
        held = np.empty_like(R) if both and moments > 1 else R if both else None

        def sweep(lo, hi, part):
            placed = place(lo, hi)
            sums = recursion.layers(self.depth, *self.largest, max(points), T, self.width)
            recursion.integrate_units(lo, hi, self.roots, cells, trees, places, chosen, sums, moments, placed, F, R, N)
            if both and moments > 1 and hi > lo:
                mine = slice(self.tree[self.roots[lo], FIRST], self.tree[self.tree[self.roots[hi - 1], END] - 1, LAST])
                held[mine] = R[mine]
            if moments > 1:
                path, vpath, centre = np.zeros(self.depth), np.zeros(self.depth), np.zeros(self._room)
                at_mode = np.zeros((self.largest[1], 2 + 3 * T))
                score.follow_units(lo, hi, self.roots, cells, trees, places, path, vpath, centre, at_mode, N, F, R)

        self._run(sweep, points, workspace)
        loglik = float((self.weight[self.roots] * F).sum() + self.constant)
        if not np.isfinite(loglik):
            return Evaluation(-np.inf, F, None)
        return Evaluation(loglik, F, R if moments else None, held)

    def louis(
        self,
        lin: np.ndarray,
        D: np.ndarray,
        points: tuple[int, ...],
        J: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
        p: int,
        *,
        ordinary: bool = False,
        workspace: Workspace | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Score and observed information in parameters on which f, d and τ depend linearly, at fixed points.

        Parameters
        ----------
        lin, D, points, ordinary, workspace
            As in `evaluate`.
        J : tuple of four arrays
            Derivatives of the cells' features in the parameters, by rows: ptr (cells + 1,), par (nnz,),
            feature (nnz,), value (nnz,). Feature 0 is f, 1 + a is column a of D, the rest are τ1, τ2, ...
        p : int
            Number of parameters.

        Returns
        -------
        score : (p,) array
        information : (p, p) array
            NaN where `evaluate` gives −∞.
        """
        information = engine("information", self.bends)

        trees, cells = self._trees(), self._cells(lin, D)
        places, place = self._placement(cells, workspace := workspace or self.workspace(), ordinary)
        chosen = Rules(*rules(points))
        ptr, par, feature, value = J
        jacobian = Jacobian(
            *(np.ascontiguousarray(x, dtype=np.int64) for x in (ptr, par, feature)),
            np.ascontiguousarray(value, dtype=np.float64),
        )
        F = np.empty(len(self.roots))
        score, observed = np.zeros((PARTS, p)), np.zeros((PARTS, p, p))

        def sweep(lo, hi, part):
            placed = place(lo, hi)
            sums = information.layers(self.depth, *self.largest[1:], max(points), p, lin.shape[1] - 1)
            information.louis_units(
                lo, hi, self.roots, cells, trees, places, chosen, jacobian, sums, placed, F, score[part], observed[part]
            )

        self._run(sweep, points, workspace)
        if not np.isfinite(F).all():
            return np.full(p, np.nan), np.full((p, p), np.nan)
        return score.sum(axis=0), observed.sum(axis=0)

    def posterior(
        self,
        lin: np.ndarray,
        D: np.ndarray,
        points: tuple[int, ...],
        workspace: Workspace | None = None,
        *,
        ordinary: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean of each kept node's coordinate, (N,), and covariance of those on its path, (N, P, P)."""
        posterior = engine("posterior", self.bends)

        trees, cells = self._trees(), self._cells(lin, D)
        places, place = self._placement(cells, workspace := workspace or self.workspace(), ordinary)
        chosen = Rules(*rules(points))
        mean = np.zeros(len(self.tree))
        covariance = np.zeros((len(self.tree), self.depth, self.depth))

        def sweep(lo, hi, part):
            placed = place(lo, hi)
            sums = posterior.layers(self.depth, self.largest[0])
            posterior.posterior_units(lo, hi, self.roots, cells, trees, places, chosen, sums, placed, mean, covariance)

        self._run(sweep, points, workspace)
        return mean, covariance

    def posterior_points(
        self,
        lin: np.ndarray,
        D: np.ndarray,
        points: tuple[int, ...],
        workspace: Workspace | None = None,
        *,
        ordinary: bool = False,
    ):
        """The posterior over the points of each kept node's path, `PosteriorPoints`."""
        posterior = engine("posterior_points", self.bends)

        trees, cells = self._trees(), self._cells(lin, D)
        places, place = self._placement(cells, workspace := workspace or self.workspace(), ordinary)
        chosen = Rules(*rules(points))
        size, start = posterior.room(self.tree, chosen.count)
        logw, value = np.full(size.sum(), -np.inf), np.zeros(size.sum())
        F = np.empty(len(self.roots))

        def sweep(lo, hi, part):
            placed = place(lo, hi)
            path = posterior.Points(np.zeros(self.depth), np.zeros(self.depth), start, logw, value)
            posterior.spread_units(lo, hi, self.roots, cells, trees, places, chosen, path, placed, F)

        self._run(sweep, points, workspace)
        lost = np.repeat(~np.isfinite(F), np.diff(self.roots, append=len(self.tree)))
        logw[np.repeat(lost, size)] = np.nan
        return posterior.PosteriorPoints(self.tree, size, start, logw, value)

    def posterior_of_parts(self, lin: np.ndarray, D: np.ndarray, points) -> tuple[np.ndarray, np.ndarray]:
        """Posterior probabilities of the parts of answers that are summed over classes, by `posterior_points`.

        Returns
        -------
        first : (sums,) int array
            The first cell of each answer.
        probability : (sums, patterns) array
        """
        cells = self._cells(lin, D)
        first = np.flatnonzero((self.code >= registry.SUMMED) & (self.cell[:, COUNT] > 0.0))
        node = np.searchsorted(self.tree[:, LAST], first, side="right")
        out = np.zeros((len(first), 1 + int(self.cell[:, TIMES].max(initial=0))))
        for kind in np.unique(np.column_stack([self.tree[node, DEPTH], points.size[node]]), axis=0):
            alike = np.flatnonzero((self.tree[node, DEPTH] == kind[0]) & (points.size[node] == kind[1]))
            for at in np.array_split(alike, 1 + len(alike) * int(kind[1]) // WORTH_A_BLOCK):
                if len(at):
                    w, u = points.path(node[at])
                    found = np.zeros((len(at), out.shape[1]))
                    inner_classes.posterior_of_parts(first[at], int(kind[0]), w, u, cells, np.zeros(self.depth), found)
                    out[at] = found
        return first, out

    def sums_at_zero(self, lin: np.ndarray, D: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Working quantities of the cells of composite links, or of sums over classes, at u = 0, a GLM's.

        Parameters
        ----------
        lin, D
            As in `evaluate`.
        out : (cells, 3) array
            Its rows of composite cells become log f, s and ω, as far as they lie with the cell.

        Returns
        -------
        joint : (cells,) array
            x of each composite cell, where xx' is what joins the cells of one answer; 0 for all others.
        """
        joint = np.zeros(len(self.cells))
        if self.sums_classes:
            inner_classes.working_quantities(self._cells(lin, D), np.zeros(0), out)
        elif (self.code >= registry.COMPOSITE).any():
            composites.working_quantities(self._cells(lin, D), np.zeros(0), out, joint)
        return joint

    def _placement(self, cells, workspace, ordinary):
        """The arrays that place the points, and a function that places those of the roots lo..hi."""
        place_units = engine("adaptive", self.bends).place_units
        placed = np.ones(len(self.roots), dtype=np.bool_)
        places = workspace.places
        if ordinary:
            workspace.place_at_prior()
            return places, lambda lo, hi: placed
        if not self.one_mode:
            # or the likelihood would depend on the way: a step may leave a unit at another of its modes
            workspace.reset()

        def place(lo, hi):
            path, centre = np.zeros(self.depth), np.zeros(self._room)
            place_units(lo, hi, self.roots, cells, self._trees(), places, path, centre, placed)
            return placed

        return places, place

    def _trees(self) -> Trees:
        return Trees(self.tree, self.weight, self.share)

    def _cells(self, lin, D) -> Cells:
        lin, D = self._checked(lin, D)
        codes = self.codes
        value, terms = registry.addresses(codes)
        choice = np.zeros(14, dtype=np.int64)
        if registry.MULTINOMIAL in codes or registry.SUMMED + registry.MULTINOMIAL in codes:
            choice[:SUM_VALUE] = choices.addresses()
        if (codes >= registry.COMPOSITE).any():
            found = inner_classes.addresses() if self.sums_classes else composites.addresses()
            choice[SUM_VALUE:ANY_VALUE] = found
        if lin.shape[1] > 3:
            choice[ANY_VALUE:] = adjacent.addresses()
        return Cells(self.code, registry.own_parameters(), value, terms, choice, self.cell, lin, D)

    def _checked(self, lin, D):
        lin = np.ascontiguousarray(lin, dtype=np.float64)
        D = np.ascontiguousarray(D, dtype=np.float64)
        if lin.ndim != 2 or lin.shape[1] < 3 or len(lin) != len(self.cells) or D.shape != (len(self.cells), self.width):
            raise ValueError(f"{len(self.cells)} cells of width {self.width}, but lin is {lin.shape}, D {D.shape}")
        return lin, D

    def _run(self, sweep, points, workspace) -> None:
        """Call sweep(lo, hi, part) over ranges of roots of about equal work, on several threads if that pays.

        The ranges do not depend on the number of threads, so that sums over each of them do not either.
        """
        work = self.work(points)
        total = work[-1] if len(work) else 0.0
        parts = min(PARTS, 1 + int(total / WORTH_A_PART))
        cuts = np.searchsorted(work, total * np.arange(1, parts) / parts)
        cuts = np.unique(np.concatenate([[0], cuts, [len(self.roots)]]))
        tasks = [(int(lo), int(hi), part) for part, (lo, hi) in enumerate(pairwise(cuts))]
        threads_of(min(workspace.threads, int(total / WORTH_A_THREAD)), sweep, tasks)

    def work(self, points: tuple[int, ...]) -> np.ndarray:
        """Terms of cells that a recursion takes, added up over the roots: Σ_nodes cells Π_path Q."""
        Q = np.array(points, dtype=float)[self.tree[:, RULE]]
        for o in range(1, self.depth):
            level = np.flatnonzero(self.tree[:, DEPTH] == o)
            Q[level] *= Q[self.tree[level, PARENT]]
        terms = Q * (1.0 + self.tree[:, LAST] - self.tree[:, FIRST])
        return np.cumsum(np.add.reduceat(terms, self.roots)) if len(self.roots) else terms


def threads_of(threads: int, function, tasks: list[tuple]) -> None:
    """Call the function with the arguments of each task, on so many threads if there are tasks for two."""
    threads = min(threads, len(tasks))
    if threads < 2:
        for task in tasks:
            function(*task)
        return
    running = [_pool(threads, os.getpid()).submit(function, *task) for task in tasks]
    for task in running:
        task.result()


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads of this process: a forked child inherits none, and makes its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="semgllamm")


def build(
    parent, rule, kind, cell_node, code, y, trials, constant, signature, choice=None, times=None, link=None, bent=None,
    node_weight=None, cell_weight=None, part=None,
) -> Program:  # fmt: skip
    """Put units in the engine's order and keep identical ones once.

    Parameters
    ----------
    parent : (N,) int
        Parent of each node, −1 for roots, in any order.
    rule : (N,) int
        Class of its quadrature rule.
    kind : (N,) int
        Only nodes of the same kind are interchangeable.
    cell_node : (Nc,) int
        The node that each cell hangs on: the deepest coordinate that it depends on.
    code : (Nc,) int
        Its family code.
    y, trials, constant : (Nc,) float
        Its response, number of trials, and the terms of log f without parameters.
    signature : (Nc, 2) uint64
        Hashes of all the data that determine the cell's likelihood.
    choice : (Nc,) int, optional
        For cells that are alternatives of one answer, or rows of one composite link, the number of that answer; −1 for
        all others. Its cells hang on one node, and those of answers that are identical stand in the same order.
    times, link : (Nc,), optional
        For rows of composite links, their weight in the mean and the number of their link.
    bent : (Nc,) bool, optional
        Whether products of latent variables enter its predictor.
    node_weight, cell_weight : (N,) and (Nc,) float, optional
        Weights of each node's log-likelihood under its parent, and of each cell's on its node; positive, the cells of
        one answer alike. `constant` has those of all nodes and cells already.
    part : (Nc, 2) int, optional
        For answers that are summed over classes, whose number is `choice`: the part of each of their cells, and the
        number of the choice within it that the cell is an alternative of; −1 for all others.
    """
    parent, rule, kind, cell_node, code = (np.asarray(x, dtype=np.int64) for x in (parent, rule, kind, cell_node, code))
    depth = depths(parent)
    kept = collapse(
        parent, depth, rule, kind, cell_node, np.asarray(signature, dtype=np.uint64), node_weight, cell_weight
    )
    place, end = preorder(parent, depth, kept.node_weight > 0)
    old = np.empty(int((kept.node_weight > 0).sum()), dtype=np.int64)
    lives = np.flatnonzero(kept.node_weight > 0)
    old[place[lives]] = lives

    cells = np.flatnonzero(kept.cell_weight > 0)
    # within a node by family, which spares the kernels' branches
    summed = np.zeros(len(code), dtype=bool) if part is None else part[:, 0] >= 0
    if part is not None:
        # cells of an answer are of several families
        code = np.where(summed, code + registry.SUMMED, code)
    key = place[cell_node[cells]] * (code.max(initial=0) + 1) + np.where(summed, registry.SUMMED, code)[cells]
    if part is not None:
        cells = cells[np.lexsort((part[cells, 1], part[cells, 0], choice[cells], key))]
    elif choice is not None:
        cells = cells[np.lexsort((choice[cells], key))]
    elif (key[1:] < key[:-1]).any():
        cells = cells[np.argsort(key, kind="stable")]
    last = np.cumsum(np.bincount(place[cell_node[cells]], minlength=len(old)))

    tree = np.empty((len(old), 6), dtype=np.int64)
    tree[:, DEPTH], tree[:, RULE], tree[:, END] = depth[old], rule[old], end[old]
    tree[:, PARENT] = np.where(parent[old] >= 0, place[parent[old]], -1)
    tree[1:, FIRST], tree[:, LAST] = last[:-1], last
    tree[:1, FIRST] = 0
    weight = kept.node_weight[old]
    share = weight.copy()
    for o in range(1, int(depth.max(initial=0)) + 1):
        level = np.flatnonzero(tree[:, DEPTH] == o)
        share[level] *= share[tree[level, PARENT]]
    cell = np.column_stack([np.asarray(x, dtype=np.float64)[cells] for x in (y, trials)] + [kept.cell_weight[cells]])
    if bent is not None:
        cell = np.column_stack([cell, bent[cells]])
    if part is not None:
        part, summed, sizes = part[cells], summed[cells], _sizes_at_first(choice[cells])
        cell[:, TRIALS] = np.where((choice[cells] < 0) | summed, cell[:, TRIALS], sizes)
        within = np.where(part[:, 1] >= 0, part[:, 1], -1)
        cell[:, TRIALS] = np.where(within >= 0, _sizes_at_first(within), cell[:, TRIALS])
        cell = np.column_stack([cell, np.where(summed, sizes, 0.0), part[:, 0], np.zeros(len(cells))])
    elif choice is not None:
        sizes, summed = _sizes_at_first(choice[cells]), code[cells] >= registry.COMPOSITE
        cell[:, TRIALS] = np.where((choice[cells] < 0) | summed, cell[:, TRIALS], sizes)
        if summed.any():
            cell = np.column_stack([cell, np.where(summed, sizes, 0.0), times[cells], link[cells]])
    roots = np.flatnonzero(tree[:, DEPTH] == 0)
    ends = tree[roots, END]
    largest = (ends - roots, tree[ends - 1, LAST] - tree[roots, FIRST], tree[:, LAST] - tree[:, FIRST])
    codes = np.unique(code[cells])
    return Program(
        code=code[cells], cell=np.ascontiguousarray(cell), tree=tree, weight=weight, share=share,
        roots=roots, depth=int(depth.max(initial=0)) + 1,
        constant=float(np.asarray(constant, dtype=np.float64).sum()), cells=cells, representative=place[kept.node],
        n_rules=int(rule.max(initial=0)) + 1, largest=tuple(int(sizes.max(initial=1)) for sizes in largest),
        codes=codes, one_mode=registry.all_concave(codes),
    )


def _sizes_at_first(choice: np.ndarray) -> np.ndarray:
    """The length of each run of equal numbers at its first place, 0 at the others."""
    first = np.flatnonzero(np.diff(choice, prepend=choice[:1] - 1))
    sizes = np.zeros(len(choice))
    sizes[first] = np.diff(first, append=len(choice))
    return sizes


def preorder(parent, depth, lives) -> tuple[np.ndarray, np.ndarray]:
    """Place of each living node when every node comes before its subtree, siblings as given; and its subtree's end."""
    size = lives.astype(np.int64)
    levels = [np.flatnonzero(lives & (depth == o)) for o in range(int(depth.max(initial=-1)) + 1)]
    for level in reversed(levels[1:]):
        np.add.at(size, parent[level], size[level])
    place = np.zeros(len(parent), dtype=np.int64)
    for o, level in enumerate(levels):
        above = place[parent[level]] if o else np.zeros(len(level), dtype=np.int64)
        if (above[1:] < above[:-1]).any():
            order = np.argsort(above, kind="stable")
            level, above = level[order], above[order]
        before = np.cumsum(size[level]) - size[level]
        if o:
            opens = np.flatnonzero(np.diff(above, prepend=-1))
            before -= np.repeat(before[opens], np.diff(opens, append=len(level)))
            before += above + 1
        place[level] = before
    return place, place + size
