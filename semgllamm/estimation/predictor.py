"""From parameters to what the engine sees: f, d and τ of every cell, and their derivatives.

With A = (I − B)⁻¹ and Ψ = CC', the latent variables in the coordinates of the integration tree are η = μ + M u, where
μ = A(α + Γw) and M is the lower triangular factor of A C (A C = M Q, QQ' = I) over the tree's order: then

    f_i = o_i + x_i'β + λ_i'μ_i,      d_i = λ_i'M_i,      λ_i = Σ_m λ_m z_mi,

and a response's d_i vanishes off its path. Where the latent response behind thresholds has a scale of its own, the
engine sees f, d and τ over exp(z'α). Where the tree's order is causal, A C is triangular already and Q = I.
Residual covariances are whitened away within a unit, for each pattern of missing responses: f, d → L⁻¹(f − y), L⁻¹d
with Θ = LL'. A residual that covaries with disturbances has a share in these, which is one more latent variable, and Θ
is what is left (`shares`). Products of latent variables bend f and d (`products`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from semgllamm.data.design import CellBlock, Design
from semgllamm.estimation.feedback import Feedback
from semgllamm.estimation.measurement import INTERCEPT, THRESHOLD, VARIANCE, Measurement, OwnParameters
from semgllamm.estimation.products import BlockProducts, factors_behind, terms_of
from semgllamm.estimation.shares import coupled_responses, share_of, with_shares
from semgllamm.integration.arrays import FIRST, LAST, TRIALS, WEIGHT
from semgllamm.integration.collapse import mix
from semgllamm.integration.program import Program, build
from semgllamm.integration.tree import Tree, plan
from semgllamm.model.matrices import Cell, Model
from semgllamm.model.transforms import CELL, LOG_VARIANCE, SPHERE, Working
from semgllamm.responses.composite import LINKS
from semgllamm.responses.registry import MULTINOMIAL

__all__ = ["Predictor", "State", "plan_tree", "response_paths"]


def hash_columns(columns: np.ndarray) -> np.ndarray:
    """Two hashes of each row of a float array, (n, 2) uint64."""
    words = np.ascontiguousarray(columns + 0.0).view(np.uint64)
    out = np.zeros((len(columns), 2), dtype=np.uint64)
    for k in range(words.shape[1]):
        for half in range(2):
            out[:, half] = mix(out[:, half] ^ mix(words[:, k] + np.uint64(k + 1000 * half)))
    return out


def plan_tree(model: Model, design: Design | None = None) -> Tree:
    """The integration tree of a model; its variables are indices into ``model.eta``."""
    model, share_causes = with_shares(model)
    index = {name: k for k, name in enumerate(model.eta)}
    random = [model.varies(name) for name in model.eta]
    causes: dict[int, set[int]] = {k: {index[c] for c in share_causes.get(name, ())} for name, k in index.items()}
    loads: dict[str, set[int]] = {response.name: set() for response in model.responses}
    partners: dict[int, set[int]] = {k: {k} for k in index.values()}
    for group in model.groups:
        for cell in group.B:
            if cell.is_free or cell.value != 0.0:
                causes[index[cell.row]].add(index[cell.column])
        for cell in group.Lambda:
            if cell.is_free or cell.value != 0.0:
                loads[cell.row].add(index[cell.column])
        for cell in group.Psi:
            if cell.is_free or cell.value != 0.0:
                a, b = index[cell.row], index[cell.column]
                joined = partners[a] | partners[b]
                for k in joined:
                    partners[k] = joined

    for name in loads:
        loads[name] |= {index[factor] for factor in factors_behind(model, name)}
    for group in model.groups:
        for names in coupled_responses(group):
            # whitening mixes these responses: they must lie on one path
            joined = set().union(*(loads[name] for name in names))
            loads |= dict.fromkeys(names, joined)
    for names in _answers(model):
        # the linear predictors of a choice share one probability
        loads |= dict.fromkeys(names, set().union(*(loads[name] for name in names)))

    def reach(variables: set[int], seen: frozenset[int] = frozenset()) -> frozenset[int]:
        """The variables with a disturbance that these stand for."""
        out: set[int] = set()
        for v in variables:
            if random[v]:
                out.add(v)
            elif v not in seen:
                out |= reach(causes[v], seen | {v})
        return frozenset(out)

    def ancestors(k: int) -> set[int]:
        found, todo = set(), set(causes[k])
        while todo:
            v = todo.pop()
            found.add(v)
            todo |= causes[v] - found
        return found

    # causes before effects within a level, so that the first order tried is the causal one; then by name, so that the
    # order of the statements decides nothing
    kept = sorted((k for k in index.values() if random[k]), key=lambda k: (len(ancestors(k)), model.eta[k]))
    local = {k: j for j, k in enumerate(kept)}
    cliques = []
    for k in kept:
        together = {k}
        for partner in partners[k]:
            together |= {partner} | reach(causes[partner])
        cliques.append({local[v] for v in together if v in local})
    counts = design.response_counts if design is not None else {}
    responses = [
        (frozenset(local[v] for v in reach(loads[r.name])), float(counts.get(r.name, 1))) for r in model.responses
    ]
    tree = plan([model.eta_level[k] for k in kept], cliques, responses)
    back = {j: k for k, j in local.items()} | {-1: -1}
    return Tree(tuple(back[j] for j in tree.order), {back[j]: back[p] for j, p in tree.parent.items()}, tree.cost)


def response_paths(model: Model, tree: Tree) -> dict[str, tuple[int, ...]]:
    """The path of the tree, root first, that each response depends on; empty where it has no latent variable."""
    model, share_causes = with_shares(model)
    index = {name: k for k, name in enumerate(model.eta)}
    rank = {k: j for j, k in enumerate(tree.order)}
    out = {}
    for response in model.responses:
        stack = [c.column for g in model.groups for c in g.Lambda if c.row == response.name]
        stack += factors_behind(model, response.name)
        seen: set[str] = set()
        deepest = -1
        while stack:
            name = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            k = index[name]
            if k in rank:
                # all that a response depends on lies on one path, so the last in the order is the deepest
                deepest = k if deepest < 0 or rank[k] > rank[deepest] else deepest
            else:
                stack += [c.column for g in model.groups for c in g.B if c.row == name]
                stack += share_causes.get(name, ())
        out[response.name] = tree.path(deepest) if deepest >= 0 else ()
    for names in _answers(model):
        out |= dict.fromkeys(names, max((out[name] for name in names), key=len))
    return out


def _answers(model: Model) -> list[list[str]]:
    """The responses of each choice in wide form, and those that are summed over classes together."""
    names: dict[str, list[str]] = {}
    for response in model.responses:
        if response.answer:
            names.setdefault(response.answer, []).append(response.name)
    return [*names.values(), *([sorted(model.together)] if model.together else [])]


def _choices_of_blocks(design: Design) -> list[np.ndarray]:
    """The number of the choice that each cell of each block belongs to, −1 for none."""
    start: dict[tuple[int, str], int] = {}
    out, total = [], 0
    for block in design.blocks:
        if block.choice is None:
            out.append(np.full(len(block.rows), -1, dtype=np.int64))
            continue
        key = block.group, block.response.answer
        if key not in start:
            # the blocks of an answer in wide form have the same choices
            start[key] = total
            total += int(block.choice.max(initial=-1)) + 1
        out.append(start[key] + block.choice)
    return out


def _by_group(coupled: list[list[set[str]]]) -> list[tuple[int, set[str]]]:
    """(group, responses that are whitened together) of all groups."""
    return [(g, names) for g, sets in enumerate(coupled) for names in sets]


def _signed(signature: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """The hashes of cells, where choices are identical if all their alternatives are, in the same order."""
    inside = np.flatnonzero(choice >= 0)
    order = inside[np.argsort(choice[inside], kind="stable")]
    first = np.flatnonzero(np.diff(choice[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
    number = np.repeat(np.arange(len(first)), np.diff(first, append=len(order)))
    for half in range(2):
        hashes = mix(signature[order, half] + mix(place))
        total = np.zeros(len(first), dtype=np.uint64)
        np.add.at(total, number, hashes)
        signature[order, half] = hashes + mix(total[number])
    return signature


@dataclass
class State:
    """What `Predictor.at` makes of a parameter vector: the engine's arrays and what their derivatives need."""

    inner: np.ndarray
    groups: list
    constant: float
    lin: np.ndarray | None = None
    D: np.ndarray | None = None
    table: np.ndarray | None = None
    local: dict = field(default_factory=dict)
    possible: bool = True
    whitening: list | None = None
    over: dict = field(default_factory=dict)


class _Structure:
    """A, C, M and their derivatives for one group, or for the cells of a block where B depends on covariates."""

    def __init__(self, A, alpha, M, Q, dM, C, dC):
        self.A, self.alpha, self.M, self.Q, self.dM, self.C, self.dC = A, alpha, M, Q, dM, C, dC


class _Block:
    """One block of cells bound to the engine: positions, covariates and the cells of the matrices that concern it."""

    def __init__(self, block: CellBlock, keep: np.ndarray, at: np.ndarray):
        self.source, self.keep, self.at = block, keep, at
        self.n = len(at)
        # a slice where it can be: a view instead of a copy
        together = self.n > 0 and at[-1] - at[0] + 1 == self.n
        self.cells = slice(int(at[0]), int(at[-1]) + 1) if together else at


class Predictor:
    """The maps θ → (f, d, τ) of a model bound to data.

    Parameters
    ----------
    model, working, tree, design : the objects of the walk
    collapse : bool
        Identical units are integrated once, with a weight.
    bare_level : int, optional
        The level whose units keep their responses without latent variables together; None where only the sum over all
        of them is needed.

    Attributes
    ----------
    program : Program
        The engine's arrays.
    rule_levels : tuple of str
        The classes of quadrature rules: levels that have latent variables, lowest first.
    """

    def __init__(
        self, model: Model, working: Working, tree: Tree, design: Design, collapse: bool = True,
        bare_level: int | None = None,
    ):  # fmt: skip
        self.collapse, self._whole, self.bare_level = collapse, model, bare_level
        self.model, self.share_causes = with_shares(model)
        self.working, self.tree, self.design = working, tree, design
        model = self.model
        self.index = {name: k for k, name in enumerate(model.eta)}
        self.column = {k: j for j, k in enumerate(tree.order)}
        self.n_eta, self.n_u = len(model.eta), len(tree.order)
        used = sorted({model.eta_level[k] for k in tree.order})
        self.rule_of_level = {level: rule for rule, level in enumerate(used)}
        self.rule_levels = tuple(model.levels[level] for level in used)
        self.triangular = [self._is_triangular(g) for g in range(len(model.groups))]
        self.cholesky = [self._cholesky(g) for g in range(len(model.groups))]
        self.shares = [self._shares(g) for g in range(len(model.groups))]
        self._bind()

    # ---- the structure -------------------------------------------------------------------------------------------

    def _constant_B(self, group: int, inner: np.ndarray) -> np.ndarray:
        B = np.zeros((self.n_eta, self.n_eta))
        for cell in self.model.groups[group].B:
            if cell.times is None:
                B[self.index[cell.row], self.index[cell.column]] += cell.at(inner)
        return B

    def _factor(self, group: int, inner: np.ndarray):
        """C (n_eta, n_u), and its derivative as a list of (parameter number, matrix)."""
        C = np.zeros((self.n_eta, self.n_u))
        rows, columns, numbers, dC = self.cholesky[group]
        C[rows, columns] = inner[numbers]
        dC = dict(dC)

        def move(number):
            return dC.setdefault(number, np.zeros_like(C))

        for block in self.working.blocks[group]:
            if block.cholesky:
                continue
            rows = [r for r in (self.index[name] for name in block.latents) if r in self.column]
            columns = [self.column[r] for r in rows]
            if block.spherical:
                C[np.ix_(rows, columns)] = block.matrix(inner)
                for number, slope in block.slopes(inner).items():
                    move(number)[np.ix_(rows, columns)] += slope
                continue
            live = [k for k, name in enumerate(block.latents) if self.index[name] in self.column]
            Psi = block.matrix(inner)[np.ix_(live, live)]
            L = np.linalg.cholesky(Psi)
            C[np.ix_(rows, columns)] = L
            numbers = {cell.number for cell in block.cells.values() if cell.is_free}
            inverse = np.linalg.inv(L)
            for number in numbers:
                dPsi = np.zeros_like(Psi)
                for (a, b), cell in block.cells.items():
                    if cell.number == number and a in live and b in live:
                        dPsi[live.index(a), live.index(b)] = dPsi[live.index(b), live.index(a)] = 1.0
                inside = np.tril(inverse @ dPsi @ inverse.T)
                inside[np.diag_indices_from(inside)] *= 0.5
                move(number)[np.ix_(rows, columns)] += L @ inside
        for share, latents, cells in self.shares[group]:
            self._add_share(share, latents, cells, inner, C, dC)
        return C, dC

    def _add_share(self, share: int, latents: list[int], cells: list[Cell], inner: np.ndarray, C, dC) -> None:
        """g = C⁻¹ω as the share's row of C, from the cells of ω in one block of Ψ."""
        columns = [self.column[k] for k in latents]
        block = np.ix_(latents, columns)
        place = {self.model.eta[k]: j for j, k in enumerate(latents)}
        omega = np.zeros(len(latents))
        change = {}
        for cell in cells:
            omega[place[cell.column]] = cell.at(inner)
            if cell.is_free:
                change.setdefault(cell.number, np.zeros(len(latents)))[place[cell.column]] = 1.0
        g = np.linalg.solve(C[block], omega)
        C[share, columns] = g
        for number in {*change, *(n for n, moved in dC.items() if moved[block].any())}:
            moved = dC[number].copy() if number in dC else np.zeros_like(C)
            moved[share, columns] = np.linalg.solve(C[block], change.get(number, 0.0) - moved[block] @ g)
            dC[number] = moved

    def _shares(self, group: int) -> list[tuple[int, list[int], list[Cell]]]:
        """Each residual's share in each block of Ψ: its place, the block's latent variables, the cells of ω."""
        out = []
        for block in self.working.blocks[group]:
            latents = [k for k in (self.index[name] for name in block.latents) if k in self.column]
            cells = [c for c in self.model.groups[group].Omega if c.column in block.latents]
            for name in dict.fromkeys(c.row for c in cells):
                out.append((self.index[share_of(name)], latents, [c for c in cells if c.row == name]))
        return out

    def _cholesky(self, group: int):
        """Where the cells of free Cholesky factors go in C: rows, columns, numbers, and the derivatives of C."""
        places, dC = [], {}
        for block in self.working.blocks[group]:
            if block.cholesky:
                at = [self.index[name] for name in block.latents]
                for (a, b), cell in block.cells.items():
                    row, column = at[a], self.column[at[b]]
                    places.append((row, column, cell.number))
                    dC.setdefault(cell.number, np.zeros((self.n_eta, self.n_u)))[row, column] = 1.0
        rows, columns, numbers = np.array(places, dtype=np.int64).reshape(-1, 3).T
        return rows, columns, numbers, dC

    def _is_triangular(self, group: int) -> bool:
        rng = np.random.default_rng(7)
        B = np.zeros((self.n_eta, self.n_eta))
        for cell in self.model.groups[group].B:
            B[self.index[cell.row], self.index[cell.column]] += rng.uniform(0.1, 0.3)
        A = np.linalg.inv(np.eye(self.n_eta) - B)
        C = np.zeros((self.n_eta, self.n_u))
        for block in self.working.blocks[group]:
            rows = [self.index[name] for name in block.latents if self.index[name] in self.column]
            for k, r in enumerate(rows):
                for s in rows[: k + 1]:
                    C[r, self.column[s]] = 1.0
        F = (A @ C)[list(self.tree.order)]
        return bool(np.all(np.abs(np.triu(F, 1)) < 1e-12))

    def _structure(
        self, group: int, inner: np.ndarray, B: np.ndarray, varying: list[tuple[Cell, np.ndarray]]
    ) -> _Structure:
        """`B` may carry a leading axis over cells; `varying` are the cells of B that multiply a covariate."""
        C, dC = self._factor(group, inner)
        if self.model.groups[group].B:
            A = np.linalg.inv(np.eye(self.n_eta) - B)
            F = A @ C
            dF = {number: A @ change for number, change in dC.items()}
        else:
            A, F, dF = np.eye(self.n_eta), C, dC
        order = list(self.tree.order)
        if self.triangular[group]:
            M, Q = F, None
        else:
            q, r = np.linalg.qr(np.swapaxes(F[..., order, :], -1, -2))
            sign = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
            sign = np.where(sign == 0, 1.0, sign)
            Q = np.swapaxes(q * sign[..., None, :], -1, -2)
            M = F @ np.swapaxes(Q, -1, -2)
        for cell in self.model.groups[group].B:
            if cell.is_free:
                r, c = self.index[cell.row], self.index[cell.column]
                change = A[..., :, r, None] * F[..., None, c, :]
                if cell.times is not None:
                    times = next((z for other, z in varying if other is cell), None)
                    if times is None:
                        continue
                    change = change * times[:, None, None]
                dF[cell.number] = dF[cell.number] + change if cell.number in dF else change
        if Q is None:
            dM = dF
        else:
            back = np.linalg.pinv(M[..., order, :])
            dM = {}
            for number, change in dF.items():
                turned = change @ np.swapaxes(Q, -1, -2)
                X = np.triu(back @ turned[..., order, :], 1)
                dM[number] = turned - M @ (X - np.swapaxes(X, -1, -2))
        alpha = np.zeros(self.n_eta)
        for cell in self.model.groups[group].Gamma:
            if cell.column == "1":
                alpha[self.index[cell.row]] += cell.at(inner)
        return _Structure(A, alpha, M, Q, dM, C, dC)

    # ---- binding -------------------------------------------------------------------------------------------------

    def _reach(self, group: int, names: set[str]) -> set[str]:
        out, todo = set(), set(names)
        while todo:
            name = todo.pop()
            out.add(name)
            todo |= {c.column for c in self.model.groups[group].B if c.row == name} - out
            todo |= {f for c in self.model.groups[group].products if c.row == name for f in (c.column, c.times)} - out
            todo |= self.share_causes.get(name, frozenset()) - out
        return out

    def _causes_of(self, group: int, response: str) -> set[str]:
        """The latent variables that a response loads on, or whose products it depends on."""
        cells = self.model.groups[group]
        factors = {f for c in cells.products if c.row == response for f in (c.column, c.times)}
        return factors | {c.column for c in cells.Lambda if c.row == response}

    def _bind(self):
        model, design, tree = self.model, self.design, self.tree
        # nodes: one a unit and random latent variable
        first = {}
        start = {}
        parent, rule, kind, heavy = [], [], [], []
        highest = len(design.codes)
        total = 0
        for k in tree.order:
            level = model.eta_level[k]
            rows = design.first_row[level]
            start[k] = total
            first[k] = rows
            total += len(rows)
        for j, k in enumerate(tree.order):
            up = tree.parent[k]
            n = len(first[k])
            if up < 0:
                parent.append(np.full(n, -1, dtype=np.int64))
            else:
                parent.append(start[up] + design.codes[model.eta_level[up]][first[k]])
            rule.append(np.full(n, self.rule_of_level[model.eta_level[k]], dtype=np.int64))
            kind.append(np.full(n, j, dtype=np.int64))
            above = model.eta_level[up] if up >= 0 else highest
            heavy.append(design.weight(model.eta_level[k], above, first[k]))
        self.node_start, self.node_rows = start, first
        paths, cell_node, code, y, trials, constant = [], [], [], [], [], []
        # where covariates are missing the responses that they predict have longer paths
        apart = [replace(model, groups=(group,)) for group in model.groups] if len(model.holes) > 1 else [model]
        self.paths = [response_paths(one, tree) for one in apart]
        # the first nodes of whole trees, their level and number
        self.root_nodes = [
            (model.eta_level[k], start[k], len(first[k])) for k in tree.order if tree.parent[k] < 0
        ]  # fmt: skip
        self.bare_start: dict[int, int] = {}
        bare_levels = {self._bare_height(b) for b in design.blocks if not self._response_path(b)}
        for place, level in enumerate(sorted(bare_levels)):
            # responses without latent variables hang on one node of a one-point rule, which is exact
            n = 1 if self.bare_level is None else len(design.first_row[level])
            self.bare_start[level] = total
            self.root_nodes.append((level, total, n))
            total += n
            parent.append(np.full(n, -1, dtype=np.int64))
            rule.append(np.full(n, len(self.rule_levels), dtype=np.int64))
            kind.append(np.full(n, len(tree.order) + place, dtype=np.int64))
            bare = self.bare_level is not None
            heavy.append(design.weight(level, highest, design.first_row[level]) if bare else np.ones(n))
        coupled = [coupled_responses(group) for group in model.groups]
        whitened = [set().union(*sets) for sets in coupled]
        for block in design.blocks:
            path = self._response_path(block)
            paths.append(path)
            if path:
                deepest = path[-1]
                cell_node.append(start[deepest] + design.codes[model.eta_level[deepest]][block.rows])
            else:
                level = self._bare_height(block)
                at = np.zeros(len(block.rows), dtype=np.int64)
                if self.bare_level is not None:
                    at = design.codes[level][block.rows]
                cell_node.append(self.bare_start[level] + at)
            code.append(np.full(len(block.rows), block.response.family.code, dtype=np.int64))
            y.append(np.zeros(len(block.rows)) if block.response.name in whitened[block.group] else block.y)
            trials.append(block.trials)
            constant.append(block.constant * design.weight(block.response.level, highest, block.rows))
        if any(coupled):
            # cells of one unit that are whitened together sit on one node, deep enough for all of them
            self._join_coupled(design, coupled, paths, cell_node, start)
        own_weight = [self._own_weight(block, path, highest) for block, path in zip(design.blocks, paths)]
        join = np.concatenate
        bends = self._bends(design, coupled)
        if any(bends):
            self._place_exactly(design, paths, parent, rule)
        if self.collapse:
            signature = self._signatures(design, paths, coupled)
        else:
            signature = np.arange(2 * sum(len(b.rows) for b in design.blocks), dtype=np.uint64).reshape(-1, 2)
        self.program: Program = build(
            join(parent) if parent else np.zeros(0, np.int64), join(rule) if rule else np.zeros(0, np.int64),
            join(kind) if kind else np.zeros(0, np.int64), join(cell_node), join(code), join(y), join(trials),
            join(constant), signature, self._choices(design), *self._summed(design), part=self._parts(design),
            bent=join([np.full(len(b.rows), bent) for b, bent in zip(design.blocks, bends)]) if any(bends) else None,
            node_weight=join(heavy) if design.weights and heavy else None,
            cell_weight=join(own_weight) if design.weights else None,
        )  # fmt: skip
        self.P, self.W = self.program.depth, self.program.width
        tree_of = self.program.tree
        self.share_of_cells = (
            np.repeat(self.program.share, tree_of[:, LAST] - tree_of[:, FIRST]) * self.program.cell[:, WEIGHT]
        )
        offset = np.cumsum([0, *(len(b.rows) for b in design.blocks)])
        self.base = np.zeros(len(self.program.code))
        owner = np.searchsorted(offset, self.program.cells, side="right") - 1
        self.blocks: list[_Block] = []
        for k, block in enumerate(design.blocks):
            at = np.flatnonzero(owner == k)
            bound = _Block(block, self.program.cells[at] - offset[k], at)
            bound.path = paths[k]
            self._bind_block(bound)
            self.base[at] = bound.base
            self.blocks.append(bound)
        self.owner = owner
        self.by_block = np.argsort(owner, kind="stable")
        self.block_start = np.searchsorted(owner[self.by_block], np.arange(len(self.blocks)))
        self._bind_whitening(coupled)
        self.feedback = Feedback(model, design)
        self._bind_tables()
        q = model.n_parameters
        curved = np.zeros(q, dtype=bool)
        curved[sorted({cell.number for b in self.scaled for cell, _ in b.scale if cell.is_free})] = True
        for group in model.groups:
            bent = any(c.is_free for c in (*group.Lambda, *group.B)) or bool(group.Omega) or bool(group.products)
            for name, cells in group.items():
                for cell in cells:
                    if not cell.is_free:
                        continue
                    natural = name in ("Psi", "Theta") and self.working.kind[cell.number] in (CELL, SPHERE)
                    if natural or name == "Omega" or (bent and name in ("Lambda", "B", "Gamma", "Psi", "products")):
                        curved[cell.number] = True
        self.curved = curved
        # f and d are linear in λ: what bends them lies elsewhere, or in products of λ with it
        self.bending = curved.copy()
        elsewhere = {c.number for g in model.groups for name, cells in g.items() if name != "Lambda" for c in cells}
        linear = {c.number for g in model.groups for c in g.Lambda if c.is_free} - elsewhere
        self.bending[sorted(linear)] = False
        for g, names in _by_group(coupled):
            own = [c.number for c in model.groups[g].Theta if c.is_free and {c.row, c.column} & names]
            self.bending[own] = curved[own] = True
        self._places = self._steady = None
        self._pattern()

    def _bare_height(self, block: CellBlock) -> int:
        """The level whose units keep a response without latent variables; 0 where all of them are together."""
        return 0 if self.bare_level is None else max(self.bare_level, block.response.level)

    def _own_weight(self, block: CellBlock, path, highest: int) -> np.ndarray:
        """The weights of cells on their node: those of the levels below that of the node."""
        height = highest if self.bare_level is None else self._bare_height(block)
        if path:
            height = self.model.eta_level[path[-1]]
        return self.design.weight(block.response.level, height, block.rows)

    def _bends(self, design: Design, coupled) -> list[bool]:
        """Whether products reach the cells of each block, or those that they are whitened together with."""
        bends = [bool(terms_of(self.model.groups[b.group], b.response.name, self.index)) for b in design.blocks]
        for g, names in _by_group(coupled):
            mine = [k for k, b in enumerate(design.blocks) if b.group == g and b.response.name in names]
            bent = any(bends[k] for k in mine)
            for k in mine:
                bends[k] = bent
        return bends

    def _place_exactly(self, design: Design, paths, parent, rule) -> None:
        """Give leaves whose cells are Gaussian and linear in the leaf's coordinate the rule that is exact for these."""
        inner_nodes = set(self.tree.parent.values())
        for j, k in enumerate(self.tree.order):
            mine = [b for b, path in zip(design.blocks, paths) if path and path[-1] == k]
            gaussian = all((b.response.family.name, b.response.family.link) == ("gaussian", "identity") for b in mine)
            if k in inner_nodes or not gaussian or any(self._squares(b.group, k) for b in mine):
                continue
            rule[j] = np.full(len(rule[j]), len(self.rule_levels) + 1, dtype=np.int64)

    def _squares(self, group: int, k: int) -> bool:
        """Whether both factors of some product depend on the disturbance of a latent variable."""
        name = self.model.eta[k]
        return any(
            name in self._reach(group, {c.column}) and name in self._reach(group, {c.times})
            for c in self.model.groups[group].products
        )

    def rules(self, points: tuple[int, ...], exactly: int = 3) -> tuple[int, ...]:
        """Points of each class of rules: the levels, nodes without latent variables, leaves placed exactly.

        The latter need one point for the value, two for moments of degree 3, as of scores, three for their squares.
        """
        return (*points, 1, exactly) if self.program.bends else (*points, 1)

    @staticmethod
    def _choices(design: Design) -> np.ndarray | None:
        """The number of the choice that each cell belongs to, −1 for none; None if there are no choices.

        An answer that is summed over classes has a number too, whatever choices it is made of.
        """
        if all(block.choice is None and block.unit is None for block in design.blocks):
            return None
        numbers = _choices_of_blocks(design)
        total = 1 + max((int(found.max(initial=-1)) for found in numbers), default=-1)
        units = (found if b.unit is None else total + b.unit for b, found in zip(design.blocks, numbers))
        return np.concatenate(list(units))

    @staticmethod
    def _parts(design: Design) -> np.ndarray | None:
        """The part of the answer that each cell is in, and its choice there, (cells, 2); None without such answers."""
        if all(block.unit is None for block in design.blocks):
            return None
        nothing = [np.full(len(block.rows), -1) for block in design.blocks]
        numbers = [none if b.unit is None else found
                   for b, found, none in zip(design.blocks, _choices_of_blocks(design), nothing)]  # fmt: skip
        parts = np.repeat([block.part for block in design.blocks], [len(block.rows) for block in design.blocks])
        return np.column_stack([parts, np.concatenate(numbers)])

    @staticmethod
    def _summed(design: Design) -> tuple[np.ndarray, np.ndarray] | tuple[()]:
        """The weight of each cell in the mean of its composite link, and its link, if there are such."""
        if all(block.weight is None for block in design.blocks):
            return ()
        weights = [np.zeros(len(b.rows)) if b.weight is None else b.weight for b in design.blocks]
        links = [
            np.full(len(b.rows), 0.0 if b.weight is None else LINKS[b.response.family.link]) for b in design.blocks
        ]  # fmt: skip
        return np.concatenate(weights), np.concatenate(links)

    def log_sums(self, f: np.ndarray) -> np.ndarray:
        """log Σ exp(f) of the choice that each cell belongs to, (cells,); 0 for cells that belong to none."""
        out = np.zeros(len(f))
        cells = np.flatnonzero(self.program.code == MULTINOMIAL)
        if cells.size:
            first = np.flatnonzero(self.program.cell[cells, TRIALS] > 0)
            sums = np.logaddexp.reduceat(f[cells], first)
            out[cells] = np.repeat(sums, np.diff(first, append=cells.size))
        return out

    def _bind_tables(self):
        """What the blocks without covariates in their latent part share: a table of f, d and τ by block."""
        self.T = max([2, *(len(b.own) for b in self.blocks)])
        shape = (len(self.blocks), 1 + self.W + self.T)
        own = [
            (row, which, cell, b.own_kind)
            for row, b in enumerate(self.blocks)
            for which, cell in enumerate(b.own)
        ]
        self.own = OwnParameters(own, self.working.kind, shape, self.T)
        whitened = np.array([b.whitened for b in self.blocks], dtype=bool)
        self.unwhitened = ~whitened[:, None] if whitened.any() else None
        ones = [(row, number) for row, b in enumerate(self.blocks) if b.is_constant for number in b.beta]
        self.intercepts = np.array(ones, dtype=np.int64).reshape(-1, 2).T
        self.sloped = [b for b in self.blocks if len(b.beta) and not b.is_constant]
        self.dispersed = [b for b in self.blocks if b.own_slopes]
        self.uneven = [b for b in self.blocks if (b.loads or b.products) and not b.is_even]
        self.scaled = [b for b in self.blocks if b.scale]
        self.measurement = []
        for g, group in enumerate(self.model.groups):
            rows = [row for row, b in enumerate(self.blocks) if b.source.group == g and b.loads and b.is_even]
            self.measurement.append(
                Measurement(
                    [(row, k, cell) for row in rows for k, cell, _ in self.blocks[row].loads],
                    rows,
                    [self.blocks[row].slots for row in rows],
                    [(self.index[c.row], c) for c in group.Gamma if c.column == "1"],
                    [(self.index[c.row], self.index[c.column], c) for c in group.B],
                    self.n_eta, self.n_u, self.P,
                )
            )  # fmt: skip

    def _response_path(self, block: CellBlock) -> tuple[int, ...]:
        return self.paths[block.group % len(self.paths)][block.response.name]

    def _bind_block(self, b: _Block):
        group = self.model.groups[b.source.group]
        name = b.source.response.name
        rows = b.source.rows[b.keep]
        column = self.design.column
        b.base = b.source.offset[b.keep].copy()
        numbers, columns = [], []
        for cell in group.beta:
            if cell.row == name:
                x = np.ones(b.n) if cell.column == "1" else column(cell.column)[rows]
                if cell.is_free:
                    numbers.append(cell.number)
                    columns.append(x)
                else:
                    b.base += cell.value * x
        b.beta = np.array(numbers, dtype=np.int64)
        b.is_constant = not any(c.row == name and c.is_free and c.column != "1" for c in group.beta)
        b.X = np.ascontiguousarray(np.stack(columns, axis=1)) if columns else np.zeros((b.n, 0))
        b.loads = [
            (self.index[c.column], c, None if c.times is None else column(c.times)[rows])
            for c in group.Lambda if c.row == name
        ]  # fmt: skip
        reach = self._reach(b.source.group, self._causes_of(b.source.group, name))
        b.reach = reach
        b.gamma = [
            (self.index[c.row], c, column(c.column)[rows])
            for c in group.Gamma if c.row in reach and c.column != "1"
        ]  # fmt: skip
        b.alpha = [(self.index[c.row], c) for c in group.Gamma if c.row in reach and c.column == "1"]
        b.varying = [(c, column(c.times)[rows]) for c in group.B if c.row in reach and c.times is not None]
        b.slots = [self.column[k] for k in b.path]
        b.products = BlockProducts(terms_of(group, name, self.index), b.slots, self.P)
        b.is_even = not b.gamma and not b.varying and not b.products and all(z is None for *_, z in b.loads)
        b.own, b.own_kind, b.own_slopes = [], None, []
        family = b.source.response.family
        behind = not family.has_residual and "dispersion" not in family.predictors
        b.scale = [(c, column(c.column)[rows]) for c in group.alpha if c.row == name] if behind else []
        written = any(c.row == name for c in group.auxiliary())
        if family.has_residual and not written:
            theta = [c for c in group.Theta if c.row == name == c.column]
            b.own, b.own_kind = [theta[0] if theta else None], VARIANCE
        elif family.predictors:
            b.own_kind = INTERCEPT
            for which, kind in enumerate(family.predictors):
                cells = [c for c in group.own(kind) if c.row == name]
                b.own.append(next((c for c in cells if c.column == "1"), None))
                b.own_slopes += [(which, c, column(c.column)[rows]) for c in cells if c.column != "1"]
        elif family.thresholds:
            b.own_kind = THRESHOLD
            kappa = group.thresholds(name)
            b.own = [kappa[k] if k >= 0 else None for k in b.source.around]
            if family.thresholds == "all":
                b.own = kappa
            moved = [c for c in group.kappa if c.row == name and c.times]
            b.own_slopes = [
                (which, c, column(c.times)[rows])
                for which, at in enumerate(b.own) if at is not None for c in moved if c.column == at.column
            ]  # fmt: skip

    # ---- evaluation ----------------------------------------------------------------------------------------------

    @property
    def whole(self) -> Model:
        """The model as it was given, without the latent variables that residuals share."""
        return self._whole

    def at(self, inner: np.ndarray) -> State:
        """f, d and τ of every cell at a vector of inner parameters."""
        state = State(inner, [], self.program.constant)
        try:
            self._evaluate(state)
        except np.linalg.LinAlgError:
            state.possible = False
            return state
        self._fill(state)
        self._scale(state)
        if self.feedback:
            state.constant += self.feedback.log_volume(inner)
        self._whiten(state)
        if not (np.isfinite(state.lin[:, 0]).all() and np.isfinite(state.D).all()):
            state.possible = False
        return state

    def before_whitening(self, inner: np.ndarray) -> State:
        """f, d and τ as the model has them, where residual covariances are not whitened away."""
        state = State(inner, [], self.program.constant)
        self._evaluate(state)
        self._fill(state)
        self._scale(state)
        return state

    def held(self, b: _Block, state: State, values: dict[str, np.ndarray]) -> np.ndarray:
        """ν of a block's cells where some latent variables have given values, and the others no disturbance, (n,).

        The rows of I − B of the former become those of I, and their intercepts the values:
        η = (I − B)⁻¹(α + Γw) of this system, ν = f + λ'(η − μ), and products are those of these η.
        """
        nu = state.lin[b.cells, 0].copy()
        if not b.loads:
            return nu
        s, lam, mu = self._local(b, state)
        system = np.array(np.broadcast_to(np.linalg.inv(s.A), (b.n, self.n_eta, self.n_eta)))
        mu = np.broadcast_to(mu, (b.n, self.n_eta))
        right = np.einsum("nij,nj->ni", system, mu)
        for name, value in values.items():
            k = self.index[name]
            system[:, k, :] = 0.0
            system[:, k, k] = 1.0
            right[:, k] = value[b.source.rows[b.keep]]
        eta = np.linalg.solve(system, right[..., None])[..., 0]
        over = state.over[b] if b.scale else 1.0
        if b.products:
            # factors do not depend on products; what these add to other latent variables comes on top
            factors, added = eta, np.zeros(b.n)
            given = {self.index[name] for name in values}
            for term in b.products.terms:
                times = term.cell.at(state.inner) * factors[:, term.first] * factors[:, term.second]
                if term.enters < 0:
                    added += times
                elif term.enters not in given:
                    right[:, term.enters] += times
            eta = np.linalg.solve(system, right[..., None])[..., 0]
            nu += over * (added - b.products.at_means(state.inner, s, lam, mu))
        return nu + over * (lam * (eta - mu)).sum(axis=1)

    def _evaluate(self, state: State) -> None:
        """The structure, and f, d and τ as far as they are the same for all cells of a block."""
        inner = state.inner
        state.table = self.own.table(inner)
        for g, measurement in enumerate(self.measurement):
            structure = self._structure(g, inner, self._constant_B(g, inner), []) if self.n_eta else None
            state.groups.append(structure)
            if len(measurement.rows):
                measurement.fill(inner, structure, state.table)
        row, number = self.intercepts
        np.add.at(state.table[:, 0], row, inner[number])
        for b in self.uneven:
            state.local[b] = self._local(b, state)

    def _fill(self, state: State) -> None:
        """f, d and τ of every cell."""
        state.lin = np.take(state.table[:, [0, *range(-self.T, 0)]], self.owner, axis=0)
        state.lin[:, 0] += self.base
        state.D = np.take(state.table[:, 1 : -self.T], self.owner, axis=0)
        for b in self.sloped:
            state.lin[b.cells, 0] += b.X @ state.inner[b.beta]
        for b in self.dispersed:
            for which, cell, z in b.own_slopes:
                state.lin[b.cells, 1 + which] += cell.at(state.inner) * z
        for b in self.uneven:
            s, lam, mu = state.local[b]
            if b.alpha or b.gamma:
                state.lin[b.cells, 0] += (lam * mu).sum(axis=1)
            if b.slots:
                if s.M.ndim == 2:
                    d = lam @ s.M[:, b.slots]
                else:
                    d = np.einsum("ni,nij->nj", np.broadcast_to(lam, (b.n, self.n_eta)), s.M[:, :, b.slots])
                state.D[b.cells, : len(b.slots)] = d
            if b.products:
                # blocks of cells may lie apart, where a selection is a copy
                f, D = np.zeros(b.n), np.zeros((b.n, self.W))
                b.products.add(state.inner, s, lam, mu, f, D)
                state.lin[b.cells, 0] += f
                state.D[b.cells] += D

    def _scale(self, state: State) -> None:
        """Divide f, d and τ by the scale of the latent response."""
        for b in self.scaled:
            over = np.exp(-sum(cell.at(state.inner) * z for cell, z in b.scale))
            state.over[b] = over
            state.lin[b.cells] *= over[:, None]
            state.D[b.cells] *= over[:, None]

    def _features(self, b: _Block, state: State) -> np.ndarray:
        """f, d and τ of a block's cells, (n, P + 1 + T), with zeros for thresholds that are not there."""
        x = np.concatenate([state.lin[b.cells, :1], state.D[b.cells], state.lin[b.cells, 1:]], axis=1)
        return np.where(np.isfinite(x), x, 0.0)

    def own_of(self, b: _Block, state: State) -> np.ndarray:
        """The own parameters of a block's cells as its family takes them: all thresholds, (n, K − 1), or τ."""
        family = b.source.response.family
        if not family.thresholds:
            tau = state.lin[b.cells, 1:3]
            return tau if family.own == 2 else tau[:, 0]
        group, name = self.model.groups[b.source.group], b.source.response.name
        rows, out = b.source.rows[b.keep], []
        for kappa in group.thresholds(name):
            out.append(np.full(b.n, kappa.at(state.inner)))
            for cell in group.kappa:
                if cell.row == name and cell.times and cell.column == kappa.column:
                    out[-1] += cell.at(state.inner) * self.design.column(cell.times)[rows]
        thresholds = np.stack(out, axis=1)
        return thresholds * state.over[b][:, None] if b.scale else thresholds

    def _unscale(self, state: State, R: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The adjoints of f, d and τ before they are divided by a scale, whose own parameters are added to."""
        if not self.scaled:
            return R
        R = R.copy()
        for b in self.scaled:
            r = R[b.cells]
            along = (r * self._features(b, state)).sum(axis=1)
            for cell, z in b.scale:
                if cell.is_free:
                    gradient[cell.number] -= along @ z
            R[b.cells] = r * state.over[b][:, None]
        return R

    def _local(self, b: _Block, state: State):
        """The structure as the block's cells see it, with λ (1 or n, n_eta) and μ (1 or n, n_eta)."""
        inner = state.inner
        g = b.source.group
        s = state.groups[g]
        if b.varying:
            B = np.repeat(self._constant_B(g, inner)[None], b.n, axis=0)
            for cell, z in b.varying:
                B[:, self.index[cell.row], self.index[cell.column]] += cell.at(inner) * z
            s = self._structure(g, inner, B, b.varying)
        lam = np.zeros((b.n if any(z is not None for *_, z in b.loads) else 1, self.n_eta))
        for k, cell, z in b.loads:
            lam[:, k] += cell.at(inner) * (1.0 if z is None else z)
        mean = s.alpha[None, :]
        if b.gamma:
            mean = np.repeat(mean, b.n, axis=0)
            for k, cell, w in b.gamma:
                mean[:, k] += cell.at(inner) * w
        mu = np.einsum("...ij,...j->...i", s.A, mean)
        return s, lam, mu

    def _entries(self, b: _Block, state: State):
        """Derivatives of the block's features other than X: (number, feature, values (1 or n,))."""
        inner = state.inner
        out = []
        if b.loads or b.products:
            s, lam, mu = state.local[b] if b in state.local else self._local(b, state)
            lamA = np.einsum("...i,...ij->...j", lam if s.A.ndim == 2 else np.broadcast_to(lam, (b.n, self.n_eta)), s.A)
            for k, cell, z in b.loads:
                if cell.is_free:
                    times = 1.0 if z is None else z
                    if b.alpha or b.gamma:
                        out.append((cell.number, 0, times * mu[:, k]))
                    for depth, slot in enumerate(b.slots):
                        out.append((cell.number, 1 + depth, times * s.M[..., k, slot]))
            for k, cell in b.alpha:
                if cell.is_free:
                    out.append((cell.number, 0, lamA[:, k]))
            for k, cell, w in b.gamma:
                if cell.is_free:
                    out.append((cell.number, 0, lamA[:, k] * w))
            if b.alpha or b.gamma:
                times_of = {id(cell): z for cell, z in b.varying}
                for cell in self.model.groups[b.source.group].B:
                    if cell.is_free and cell.row in b.reach:
                        z = times_of.get(id(cell), 1.0)
                        out.append((cell.number, 0, lamA[:, self.index[cell.row]] * z * mu[:, self.index[cell.column]]))
            for number, change in s.dM.items():
                for depth, slot in enumerate(b.slots):
                    values = lam @ change[:, slot] if change.ndim == 2 else (lam * change[:, :, slot]).sum(axis=1)
                    out.append((number, 1 + depth, values))
            if b.products:
                times_of = {id(cell): z for cell, z in b.varying}
                paths = [
                    (self.index[c.row], self.index[c.column], c, times_of.get(id(c), 1.0))
                    for c in self.model.groups[b.source.group].B if c.row in b.reach
                ]  # fmt: skip
                loads = [(k, cell, 1.0 if z is None else z) for k, cell, z in b.loads]
                alpha = [(k, cell, 1.0) for k, cell in b.alpha]
                out += b.products.entries(inner, s, lam, mu, loads, alpha, b.gamma, paths)
        if not b.whitened:
            for k, cell in enumerate(b.own):
                if cell is not None and cell.is_free:
                    natural = b.own_kind == VARIANCE and self.working.kind[cell.number] != LOG_VARIANCE
                    out.append((cell.number, self.W + 1 + k, np.array([1.0 / cell.at(inner) if natural else 1.0])))
        out += [(c.number, self.W + 1 + k, z) for k, c, z in b.own_slopes if c.is_free]
        return [(number, feature, np.atleast_1d(values)) for number, feature, values in out]

    def _pattern(self):
        """Which derivatives of each block are not structurally zero, found at a random point."""
        rng = np.random.default_rng(11)
        inner = rng.uniform(0.3, 0.6, self.model.n_parameters)
        for g in self.working.blocks:
            for block in g:
                if not block.cholesky:
                    for (a, b), cell in block.cells.items():
                        if cell.is_free:
                            inner[cell.number] = 1.0 if a == b else 0.05
        for group in self.model.groups:
            for cell in group.Omega:
                if cell.is_free:
                    inner[cell.number] = 0.05
            for name in {cell.row for cell in group.kappa}:
                for k, cell in enumerate(group.thresholds(name)):
                    if cell.is_free:
                        inner[cell.number] = -1.0 + 0.5 * k + 0.01 * (hash(name) % 7)
        for b in self.blocks:
            b.live = None
        state = self.at(inner)
        if not state.possible:
            return
        for b in self.blocks:
            b.live = [bool(np.any(np.abs(v) > 1e-13)) for _, _, v in self._entries(b, state)]

    def _live_entries(self, b: _Block, state: State):
        entries = self._entries(b, state)
        return entries if b.live is None else [e for e, live in zip(entries, b.live) if live]

    def pull_back(self, state: State, R: np.ndarray, share: np.ndarray | None = None) -> np.ndarray:
        """Gradient in the inner parameters from the adjoints R of (f, d, τ): rows as the engine's.

        `share` are weights of the cells, (cells,), if they are not those of the program.
        """
        gradient = np.zeros(self.model.n_parameters)
        if self.feedback:
            self.feedback.add_slope(state.inner, gradient)
        R = self._unwhiten(state, R, gradient, share)
        return gradient + self._unwhitened_gradient(state, R)

    def _unwhitened_gradient(self, state: State, R: np.ndarray) -> np.ndarray:
        gradient = np.zeros(self.model.n_parameters)
        R = self._unscale(state, R, gradient)
        sums = self._sums(R)
        row, number = self.intercepts
        np.add.at(gradient, number, sums[row, 0])
        for b in self.sloped:
            np.add.at(gradient, b.beta, R[b.cells, 0] @ b.X)
        for b in self.dispersed:
            for which, cell, z in b.own_slopes:
                if cell.is_free:
                    gradient[cell.number] += R[b.cells, self.W + 1 + which] @ z
        return gradient + self._pull_back_latent(state, R, sums)

    def _sums(self, R: np.ndarray) -> np.ndarray:
        """The adjoints added up over the cells of each block."""
        if len(self.blocks) == 1:
            return R.sum(axis=0, keepdims=True)
        return np.add.reduceat(R[self.by_block], self.block_start, axis=0)

    def _pull_back_latent(self, state: State, R: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """The part of the gradient that is not linear in the adjoints alone: all but the fixed part."""
        gradient = np.zeros(self.model.n_parameters)
        inner = state.inner
        self.own.pull_back(inner, sums if self.unwhitened is None else sums * self.unwhitened, gradient)
        for measurement, structure in zip(self.measurement, state.groups):
            if len(measurement.rows):
                measurement.pull_back(inner, structure, sums, gradient)
        for b in self.uneven:
            r = R[b.cells]
            total = sums[self.owner[b.at[0]]]
            for number, feature, values in self._live_entries(b, state):
                if feature <= self.W:
                    gradient[number] += values[0] * total[feature] if len(values) == 1 else values @ r[:, feature]
        return gradient

    def curvature(self, state: State, R: np.ndarray, share: np.ndarray | None = None) -> np.ndarray:
        """Σ r ∂²(f, d, τ), and that of −log |L|, with the adjoints held: differences of the pull-back, (q, q).

        `share` as in `pull_back`.
        """
        inner, sums = state.inner, self._sums(R)
        q = len(inner)
        out = np.zeros((q, q))
        bending = np.flatnonzero(self.bending)
        for k in bending:
            h = 1e-5 * max(1.0, abs(inner[k]))
            sides = []
            for sign in (1.0, -1.0):
                moved = State(inner.copy(), [], 0.0)
                moved.inner[k] += sign * h
                try:
                    self._evaluate(moved)
                except np.linalg.LinAlgError:
                    break
                if self.whitening:  # Θ turns all that it whitens
                    self._fill(moved)
                    self._scale(moved)
                    self._whiten(moved)
                    if not moved.possible:
                        break
                    sides.append(self.pull_back(moved, R, share))
                elif self.scaled:  # a scale bends what is linear without it
                    self._fill(moved)
                    self._scale(moved)
                    sides.append(self._unwhitened_gradient(moved, R))
                else:
                    sides.append(self._pull_back_latent(moved, R, sums))
            if len(sides) == 2:
                out[k] = (sides[0] - sides[1]) / (2 * h)
        both = np.ix_(bending, bending)
        inside = 0.5 * (out[both] + out[both].T)
        out[:, bending] = out[bending].T
        out[both] = inside
        return out

    def jacobian(self, state: State, residuals: bool = True):
        """Derivatives of the cells' features in the inner parameters, in compressed rows: ptr, par, feature, value.

        Those of whitened cells in the parameters of Θ are left out without `residuals`.
        """
        plain = self._plain_jacobian(state)
        return self._whitened_rows(state, plain, residuals) if self.whitening else plain

    def _plain_jacobian(self, state: State):
        """The same as if no cells were whitened."""
        if self._steady is not None:
            return self._steady
        found = [self._live_entries(b, state) for b in self.blocks]
        found = [self._scaled_entries(b, e, state) if b.scale else e for b, e in zip(self.blocks, found)]
        if self._places is None or [len(e) for e in found] != self._places[0]:
            self._places = self._places_of(found)
        _, ptr, par, feature, places = self._places
        value = np.zeros(ptr[-1])
        for b, entries, (own, other) in zip(self.blocks, found, places):
            if own is not None:
                value[own] = b.X * state.over[b][:, None] if b.scale else b.X
            for (_, _, values), where in zip(entries, other):
                value[where] = values
        if not self.curved.any() and not self.scaled and all(self.triangular):
            self._steady, self._places = (ptr, par, feature, value), None
        return ptr, par, feature, value

    def _places_of(self, found: list) -> tuple:
        """The rows of the Jacobian, which are the same wherever it is taken, and the places of each block's entries."""
        width = np.zeros(len(self.program.code), dtype=np.int64)
        for b, entries in zip(self.blocks, found):
            width[b.at] = len(b.beta) + len(entries)
        ptr = np.concatenate([[0], np.cumsum(width)])
        par, feature = np.zeros((2, ptr[-1]), dtype=np.int64)
        places = []
        for b, entries in zip(self.blocks, found):
            start, k = ptr[b.at], len(b.beta)
            own = start[:, None] + np.arange(k) if k else None
            if k:
                par[own] = b.beta
            other = [start + k + j for j in range(len(entries))]
            for (number, what, _), where in zip(entries, other):
                par[where], feature[where] = number, what
            places.append((own, other))
        return [len(e) for e in found], ptr, par, feature, places

    def _scaled_entries(self, b: _Block, entries, state: State):
        """Derivatives of a block's features over its scale, and in the parameters of the scale."""
        over, features = state.over[b], self._features(b, state)
        out = [(number, feature, values * over) for number, feature, values in entries]
        for cell, z in b.scale:
            if cell.is_free:
                used = [0, *range(1, 1 + len(b.slots)), *range(self.P + 1, self.W + 1 + self.T)]
                out += [(cell.number, feature, -z * features[:, feature]) for feature in used]
        return out

    @cached_property
    def apart(self) -> Predictor:
        """The same with identical units kept apart."""
        if not self.collapse:
            return self
        return Predictor(self._whole, self.working, self.tree, self.design, False, self.bare_level)

    def unit_scores(self, state: State, R: np.ndarray) -> np.ndarray:
        """The gradient's parts in the inner parameters by independent units, (units, q), where these are kept apart.

        The units are those of the highest level with latent variables, and rows if there are none: of a choice in long
        form, a row of its case, and the others have none.
        """
        return self.scores_of(self._unit_of_cells(), len(self.design.first_row[self.highest]), state, R)

    def scores_of(self, unit: np.ndarray, count: int, state: State, R: np.ndarray) -> np.ndarray:
        """The gradient's parts in the inner parameters, (count, q), by the unit that each cell is of, (cells,)."""
        q = self.model.n_parameters
        scores = np.zeros((count, q))
        for number, cells, parts in self._residual_scores(state, R):
            np.add.at(scores, (unit[cells], number), parts)
        for number, slope, g, name in self.feedback.slopes(state.inner):
            for b in self.blocks:
                if b.source.group == g and b.source.response.name == name:
                    np.add.at(scores, (unit[b.at], number), slope * self.share_of_cells[b.at])
        R = self._unwhiten(state, R, np.zeros(q))
        ptr, par, feature, value = self._plain_jacobian(state)
        cell = np.repeat(np.arange(len(unit)), np.diff(ptr))
        scores += np.bincount(unit[cell] * q + par, value * R[cell, feature], count * q).reshape(count, q)
        return scores

    @property
    def highest(self) -> int:
        """The highest level with latent variables, 0 if there are none."""
        return max((self.model.eta_level[k] for k in self.tree.order), default=0)

    def _unit_of_cells(self) -> np.ndarray:
        row = np.zeros(len(self.program.code), dtype=np.int64)
        for b in self.blocks:
            row[b.at] = (b.source.rows if b.source.case is None else b.source.case)[b.keep]
        return self.design.codes[self.highest][row]

    # ---- latent variables ----------------------------------------------------------------------------------------

    def latent(self, name: str, inner: np.ndarray):
        """A latent variable of each unit of its level in the coordinates of the tree.

        Returns
        -------
        mean : (units,) array
            μ, its prior mean given the covariates.
        loading : (units, depth) array
            Its coefficients of the coordinates on the path.
        node : (units,) array
            The kept node that ends the path, −1 if the variable has no random part.
        """
        k = self.index[name]
        level = self.model.eta_level[k]
        rows = self.design.first_row[level]
        n = len(rows)
        group_of = self.design.group_of[rows]
        mean, loading = np.zeros(n), np.zeros((n, self.P))
        path = self.path_of(name)
        slots = [self.column[v] for v in path]
        for g, group in enumerate(self.model.groups):
            mine = np.flatnonzero(group_of == g)
            if mine.size == 0:
                continue
            reach = self._reach(g, {name})
            B = self._constant_B(g, inner)
            varying = [(c, self.design.column(c.times)[rows[mine]]) for c in group.B if c.row in reach and c.times]
            if varying:
                B = np.repeat(B[None], mine.size, axis=0)
                for cell, z in varying:
                    B[:, self.index[cell.row], self.index[cell.column]] += cell.at(inner) * z
            s = self._structure(g, inner, B, varying)
            intercepts = np.repeat(s.alpha[None], mine.size, axis=0)
            for cell in group.Gamma:
                if cell.column != "1" and cell.row in reach:
                    intercepts[:, self.index[cell.row]] += cell.at(inner) * self.design.column(cell.column)[rows[mine]]
            A = np.broadcast_to(s.A, (mine.size, *s.A.shape[-2:]))
            mean[mine] = np.einsum("nj,nj->n", A[:, k, :], intercepts)
            loading[mine, : len(slots)] = s.M[..., k, slots]
        node = np.full(n, -1, dtype=np.int64)
        if path:
            unit = self.design.codes[self.model.eta_level[path[-1]]][rows]
            node = self.program.representative[self.node_start[path[-1]] + unit]
        return mean, loading, node

    def path_of(self, name: str) -> tuple[int, ...]:
        """The coordinates that a latent variable depends on, root first; none if it has no random part."""
        deepest, stack, seen = None, [name], set()
        rank = {v: j for j, v in enumerate(self.tree.order)}
        while stack:
            here = stack.pop()
            if here in seen:
                continue
            seen.add(here)
            v = self.index[here]
            if v in rank:
                deepest = v if deepest is None or rank[v] > rank[deepest] else deepest
            else:
                stack += [c.column for g in self.model.groups for c in g.B if c.row == here]
        return self.tree.path(deepest) if deepest is not None else ()

    # ---- residual covariances ------------------------------------------------------------------------------------

    def _join_coupled(self, design, coupled, paths, cell_node, start):
        for g, names in _by_group(coupled):
            mine = [k for k, b in enumerate(design.blocks) if b.group == g and b.response.name in names]
            if not mine:
                continue
            longest = max((paths[k] for k in mine), key=len)
            for k in mine:
                if tuple(longest[: len(paths[k])]) != tuple(paths[k]):
                    # whitening mixes paths: the tree was planned with these responses joined
                    raise np.linalg.LinAlgError("responses with residual covariances on different paths")
                paths[k] = longest
                if longest:
                    rows = design.blocks[k].rows
                    cell_node[k] = start[longest[-1]] + design.codes[self.model.eta_level[longest[-1]]][rows]

    def _bind_whitening(self, coupled):
        """Groups of cells to whiten together: (group, names, positions (units, k)), one for each missing pattern."""
        self.whitening = []
        for b in self.blocks:
            b.whitened = any(b.source.response.name in names for names in coupled[b.source.group])
        for g, names in _by_group(coupled):
            mine = [b for b in self.blocks if b.source.group == g and b.source.response.name in names]
            if not mine:
                continue
            rows = np.concatenate([b.source.rows[b.keep] for b in mine])
            at = np.concatenate([b.at for b in mine])
            which = np.concatenate([np.full(b.n, k) for k, b in enumerate(mine)])
            y = np.concatenate([b.source.y[b.keep] for b in mine])
            units, position = np.unique(rows, return_inverse=True)
            table = np.full((len(units), len(mine)), -1, dtype=np.int64)
            values = np.zeros((len(units), len(mine)))
            table[position, which] = at
            values[position, which] = y
            present = table >= 0
            patterns, member = np.unique(present, axis=0, return_inverse=True)
            for k, pattern in enumerate(patterns):
                here = np.flatnonzero(member.ravel() == k)
                names_here = [b.source.response.name for b, seen in zip(mine, pattern) if seen]
                self.whitening.append((g, names_here, table[here][:, pattern], values[here][:, pattern]))

    def _theta(self, g: int, names: list[str], inner: np.ndarray, structure: _Structure | None):
        """Θ over `names` less what shares explain, and the derivative of each of its free parameters."""
        place = {name: k for k, name in enumerate(names)}
        Theta = np.zeros((len(names), len(names)))
        change: dict[int, np.ndarray] = {}
        for cell in self.model.groups[g].Theta:
            if cell.row in place and cell.column in place:
                a, b = place[cell.row], place[cell.column]
                value, slope = cell.at(inner), 1.0
                if cell.is_free and self.working.kind[cell.number] == LOG_VARIANCE:
                    value = slope = np.exp(value)
                Theta[a, b] = Theta[b, a] = value
                if cell.is_free:
                    d = change.setdefault(cell.number, np.zeros_like(Theta))
                    d[a, b] = d[b, a] = slope
        if self.shares[g]:
            rows = [self.index.get(share_of(name), -1) for name in names]
            shared = np.array(rows) >= 0
            both = np.ix_(shared, shared)
            rows = [row for row in rows if row >= 0]
            G = structure.C[rows]
            Theta[both] -= G @ G.T
            for number, moved in structure.dC.items():
                outer = moved[rows] @ G.T
                if outer.any():
                    change.setdefault(number, np.zeros_like(Theta))[both] -= outer + outer.T
        return Theta, change

    def _whitened_rows(self, state: State, plain, residuals: bool):
        """Rows of the Jacobian of L⁻¹(f − y), L⁻¹d from those of f, d: L⁻¹ times these, and −X(f, d) for dΘ, where X is
        the lower triangle of L⁻¹ dΘ L⁻ᵀ, its diagonal halved."""
        ptr, par, feature, value = plain
        length = np.diff(ptr)
        width, parts = length.copy(), []
        for (_, _, at, _), (_, inverse, change, _) in zip(self.whitening, state.whitening):
            depth = 1 + len(self.blocks[self.owner[at[0, 0]]].slots)
            turned = []
            for number, dTheta in change.items() if residuals else ():
                X = np.tril(inverse @ dTheta @ inverse.T)
                X[np.diag_indices_from(X)] *= 0.5
                turned.append((number, X))
            # all cells of one column of `at` are of one response, and their rows of one length
            own = length[at[0]]
            width[at] = own.cumsum() + depth * len(turned)
            parts.append((at, inverse, own, depth, turned))
        start = np.concatenate([[0], np.cumsum(width)])
        new_par, new_feature = np.zeros((2, start[-1]), dtype=np.int64)
        new_value = np.zeros(start[-1])
        whitened = np.zeros(len(length), dtype=bool)
        for at, *_ in parts:
            whitened[at] = True
        kept = np.flatnonzero(np.repeat(~whitened, length))
        row = np.repeat(np.arange(len(length)), length)[kept]
        to = start[row] + kept - ptr[row]
        new_par[to], new_feature[to], new_value[to] = par[kept], feature[kept], value[kept]
        for at, inverse, own, depth, turned in parts:
            f = np.concatenate([state.lin[at, :1], state.D[at][:, :, : depth - 1]], axis=2)
            for a in range(at.shape[1]):
                place = start[at[:, a]]
                for b in range(a + 1):
                    for j in range(own[b]):
                        source = ptr[at[:, b]] + j
                        new_par[place], new_feature[place] = par[source], feature[source]
                        new_value[place] = inverse[a, b] * value[source]
                        place = place + 1
                for number, X in turned:
                    moved = -np.einsum("b,nbp->np", X[a], f)
                    for what in range(depth):
                        new_par[place], new_feature[place], new_value[place] = number, what, moved[:, what]
                        place = place + 1
        return start, new_par, new_feature, new_value

    def residual_information(self, state: State, share: np.ndarray) -> np.ndarray:
        """The expected information of Θ, ½ Σ tr(Θ⁻¹ ∂Θ Θ⁻¹ ∂Θ), were the latent variables known, (q, q)."""
        out = np.zeros((self.model.n_parameters, self.model.n_parameters))
        for (_, _, at, _), (_, inverse, change, _) in zip(self.whitening, state.whitening):
            units = share[at[:, 0]].sum()
            numbers = list(change)
            turned = np.array([(inverse @ dTheta @ inverse.T).ravel() for dTheta in change.values()])
            if numbers:
                out[np.ix_(numbers, numbers)] += 0.5 * units * turned @ turned.T
        return out

    def residuals_drawn(self, state: State, rng: np.random.Generator) -> np.ndarray:
        """Residuals of the cells with residual covariances, drawn from N(0, Θ); 0 elsewhere, (cells,)."""
        out = np.zeros(len(self.program.code))
        for g, names, at, _ in self.whitening:
            Theta, _ = self._theta(g, names, state.inner, state.groups[g])
            out[at] = rng.standard_normal(at.shape) @ np.linalg.cholesky(Theta).T
        return out

    def _whiten(self, state: State):
        state.whitening = []
        share = self.share_of_cells
        for g, names, at, y in self.whitening:
            Theta, change = self._theta(g, names, state.inner, state.groups[g])
            try:
                L = np.linalg.cholesky(Theta)
            except np.linalg.LinAlgError:
                state.possible = False
                return
            inverse = np.linalg.inv(L)
            state.lin[at, 0] = (state.lin[at, 0] - y) @ inverse.T
            state.lin[at, 1] = 0.0
            state.D[at] = np.einsum("ab,nbp->nap", inverse, state.D[at])
            units = share[at[:, 0]].sum()
            state.constant -= units * np.log(np.diag(L)).sum()
            state.whitening.append((L, inverse, change, units))

    def _unwhiten(
        self, state: State, R: np.ndarray, gradient: np.ndarray, share: np.ndarray | None = None
    ) -> np.ndarray:
        if not self.whitening:
            return R
        R = R.copy()
        for (_, _, at, _), (L, inverse, change, units) in zip(self.whitening, state.whitening):
            units = units if share is None else share[at[:, 0]].sum()
            r = R[at]
            f, D = state.lin[at, 0], state.D[at]
            Lbar = -inverse.T @ (r[:, :, 0].T @ f + np.einsum("nap,nbp->ab", r[:, :, 1 : 1 + self.W], D))
            Lbar[np.diag_indices_from(Lbar)] -= units / np.diag(L)
            for number, dTheta in change.items():
                inside = np.tril(inverse @ dTheta @ inverse.T)
                inside[np.diag_indices_from(inside)] *= 0.5
                gradient[number] += (np.tril(Lbar) * (L @ inside)).sum()
            R[at] = np.einsum("ba,nbc->nac", inverse, r)
        return R

    def _residual_scores(self, state: State, R: np.ndarray):
        """(parameter of Θ, a cell of each unit, the unit's part of the gradient) of each missing pattern."""
        for (_, _, at, _), (L, inverse, change, _) in zip(self.whitening, state.whitening):
            r, D = R[at], state.D[at]
            outer = np.einsum("na,nb->nab", r[:, :, 0], state.lin[at, 0])
            outer += np.einsum("nap,nbp->nab", r[:, :, 1 : 1 + self.W], D)
            Lbar = -np.einsum("ca,nab->ncb", inverse.T, outer)
            Lbar -= self.share_of_cells[at[:, 0], None, None] * np.diag(1 / np.diag(L))
            for number, dTheta in change.items():
                inside = np.tril(inverse @ dTheta @ inverse.T)
                inside[np.diag_indices_from(inside)] *= 0.5
                yield number, at[:, 0], np.einsum("nab,ab->n", Lbar, np.tril(L @ inside))

    # ---- identical cells -----------------------------------------------------------------------------------------

    def _signatures(self, design: Design, paths, coupled) -> np.ndarray:
        """Two hashes a cell of all data by which it enters the likelihood."""
        out = []
        for k, block in enumerate(design.blocks):
            group = self.model.groups[block.group]
            name = block.response.name
            reach = self._reach(block.group, self._causes_of(block.group, name))
            names = {c.column for c in (*group.beta, *group.auxiliary()) if c.row == name and c.column != "1"}
            names |= {c.times for c in (*group.Lambda, *group.kappa) if c.row == name and c.times}
            names |= {c.times for c in group.B if c.row in reach and c.times}
            names |= {c.column for c in group.Gamma if c.row in reach and c.column != "1"}
            columns = [np.full(len(block.rows), float(k)), block.y, block.trials, block.offset]
            if block.weight is not None:
                columns.append(block.weight)
            columns += [design.column(c)[block.rows] for c in sorted(names)]
            out.append(hash_columns(np.stack(columns, axis=1)))
        for g, names in _by_group(coupled):
            mine = [k for k, b in enumerate(design.blocks) if b.group == g and b.response.name in names]
            if mine:
                # cells whitened together are identical only if all of them are
                total = np.zeros((design.n_rows, 2), dtype=np.uint64)
                for k in mine:
                    total[design.blocks[k].rows] += out[k]
                for k in mine:
                    out[k] = out[k] + total[design.blocks[k].rows] * np.uint64(0x9E3779B97F4A7C15)
        numbers = self._choices(design)
        return np.concatenate(out) if numbers is None else _signed(np.concatenate(out), numbers)
