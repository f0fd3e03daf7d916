"""Print a stage of the walk from a model text to a likelihood: the diagram, the matrices, the integration tree."""

from __future__ import annotations

from semgllamm.errors import ModelError

__all__ = ["explain", "explain_fit"]

STAGES = ("diagram", "matrices", "tree")

SYMBOLS = {
    "beta": ("β", r"\beta"), "Lambda": ("λ", r"\lambda"), "B": ("b", "b"), "Gamma": ("γ", r"\gamma"),
    "Psi": ("ψ", r"\psi"), "Theta": ("θ", r"\theta"), "Omega": ("ω", r"\omega"), "kappa": ("κ", r"\kappa"),
    "alpha": ("α", r"\alpha"), "rho": ("ϱ", r"\varrho"), "guessing": ("c", "c"), "ceiling": ("d", "d"),
}  # fmt: skip
TITLES = {
    "beta": ("β: fixed part of ν", r"\boldsymbol\beta"), "Lambda": ("Λ: ν on η", r"\boldsymbol\Lambda"),
    "B": ("B: η on η", r"\mathbf{B}"), "Gamma": ("Γ: η on covariates", r"\boldsymbol\Gamma"),
    "Psi": ("Ψ: covariances of ζ", r"\boldsymbol\Psi"), "Theta": ("Θ: residual covariances", r"\boldsymbol\Theta"),
    "Omega": ("Ω: covariances of residuals with ζ", r"\boldsymbol\Omega"),
    "kappa": ("κ: thresholds", r"\boldsymbol\kappa"), "alpha": ("α: log dispersions", r"\boldsymbol\alpha"),
    "rho": ("ϱ: logits of inflation", r"\boldsymbol\varrho"), "guessing": ("c: logits of guessing", r"\mathbf{c}"),
    "ceiling": ("d: logits of ceilings", r"\mathbf{d}"),
}  # fmt: skip


def explain(model, data=None, stage: str = "diagram", latex: bool = False, **options) -> str:
    """Print one stage of the walk.

    Parameters
    ----------
    model : str or path
        Model text.
    data : DataFrame, optional
        With data, levels, categories and dummies are settled by them.
    stage : {"diagram", "matrices", "tree"}
    latex : bool
        Matrices in LaTeX.
    **options
        As in `fit`: family, cluster, group, ordered and the completion switches.

    Raises
    ------
    ModelError
        For an unknown stage, or a model that cannot be lowered.
    """
    from semgllamm import api

    _known(stage)
    diagram, lowered, design = api.lowered(model, data, **options)
    if stage == "diagram":
        return diagram_text(diagram)
    if stage == "matrices":
        return matrices_latex(lowered) if latex else matrices_text(lowered)
    return tree_text(lowered, design)


def explain_fit(fit, stage: str, latex: bool = False) -> str:
    """The same for a fit."""
    _known(stage)
    if stage == "diagram":
        return diagram_text(fit.diagram)
    if stage == "matrices":
        return matrices_latex(fit.model) if latex else matrices_text(fit.model)
    if fit.tree is None:
        closed = "The likelihood has a closed form: nothing is integrated numerically. By quadrature it would be this."
        return f"{closed}\n{tree_text(fit.model, fit.design)}"
    if getattr(fit.likelihood, "shared", False):
        shared = f"All units share one grid, of {fit.points[0]} points an axis. Unit by unit it would be this."
        return f"{shared}\n{tree_text(fit.model, fit.design)}"
    return tree_text(fit.model, fit.design, fit.points, fit.likelihood.levels)


def _known(stage: str) -> None:
    if stage not in STAGES:
        from difflib import get_close_matches

        near = get_close_matches(stage, STAGES, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise ModelError(f"there is no stage '{stage}'", remedy=hint + "Stages: " + ", ".join(STAGES) + ".")


def diagram_text(diagram) -> str:
    """The completed diagram: one line a parameter, and who put it there."""
    from tabulate import tabulate

    several = len({row.group for row in diagram.parameters}) > 1
    rows = []
    for row in diagram.parameters:
        value = "free" if row.fixed is None else f"{row.fixed:g}"
        line = [row.lhs, row.op, row.rhs, row.level or "row", value, row.label or "", row.source]
        rows.append([*line, row.group] if several else line)
    head = ["lhs", "op", "rhs", "level", "value", "label", "written by"] + (["group"] if several else [])
    return tabulate(rows, head, tablefmt="simple", disable_numparse=True)


def _matrix(model, group, name):
    """(row names, column names, {(row, column): [cells]}) of a matrix with anything in it."""
    cells = getattr(group, name)
    rows: dict[str, None] = {}
    columns: dict[str, None] = {}
    if name in ("B", "Psi"):
        rows = columns = dict.fromkeys(model.eta)
    elif name == "Lambda":
        rows, columns = dict.fromkeys(r.name for r in model.responses), dict.fromkeys(model.eta)
    elif name == "Gamma":
        rows = dict.fromkeys(model.eta)
    where: dict[tuple[str, str], list] = {}
    for cell in cells:
        if not rows or cell.row not in rows:
            rows[cell.row] = None
        if cell.column not in columns:
            columns[cell.column] = None
        where.setdefault((cell.row, cell.column), []).append(cell)
    return list(rows), list(columns), where


def _numbers(cells) -> dict[int, int]:
    """Index of each parameter within its matrix, equal parameters sharing one."""
    out: dict[int, int] = {}
    for cell in cells:
        if cell.is_free:
            out.setdefault(cell.number, len(out) + 1)
    return out


def _shown(cells, matrix: str, numbers: dict[int, int], latex: bool) -> str:
    """What stands in one place of a matrix: the sum of its cells, each a symbol or a number, times its covariate."""
    if not cells:
        return "" if matrix == "kappa" else "0"
    letter = SYMBOLS[matrix][latex]
    terms = []
    for cell in cells:
        term = f"{cell.value:g}"
        if cell.is_free:
            term = f"{letter}_{{{numbers[cell.number]}}}" if latex else f"{letter}{numbers[cell.number]}"
        if cell.times:
            term += rf"\,\text{{{_escaped(cell.times)}}}" if latex else f"·{cell.times}"
        terms.append(term)
    return " + ".join(terms)


def _escaped(name: str) -> str:
    from semgllamm.tables.latex import escape

    return escape(name)


def _tables(model, group, latex: bool):
    """(matrix, row names, column names, table of what is shown, numbers of the symbols) of each matrix in use."""
    for matrix, cells in group.items():
        if not cells:
            continue
        rows, columns, where = _matrix(model, group, matrix)
        numbers = _numbers(cells)
        symmetric = matrix in ("Psi", "Theta")

        def at(row, column, where=where, symmetric=symmetric):
            return where.get((row, column)) or (where.get((column, row)) if symmetric else None)

        table = [[_shown(at(row, column), matrix, numbers, latex) for column in columns] for row in rows]
        yield matrix, rows, columns, table, numbers


def matrices_text(model) -> str:
    """Matrices with a symbol in each free cell, and the parameters that the symbols stand for."""
    from tabulate import tabulate

    parts = ["ν = Xβ + Λη (each cell of Λ times its covariate),   η = Bη + Γw + ζ,   cov(ζ) = Ψ"]
    for g, group in enumerate(model.groups):
        if place := model.place(g):
            parts.append(place)
        for matrix, rows, columns, table, numbers in _tables(model, group, latex=False):
            lines = [[row, *shown] for row, shown in zip(rows, table)]
            parts.append(TITLES[matrix][0] + "\n" + tabulate(lines, ["", *columns], disable_numparse=True))
            if numbers:
                letter = SYMBOLS[matrix][0]
                parts.append("where " + ", ".join(f"{letter}{k} = {model.names[n]}" for n, k in numbers.items()))
    levels = ", ".join(f"{name} varies over {model.levels[at]}s" for name, at in zip(model.eta, model.eta_level))
    if levels:
        parts.append(f"Levels: {levels}")
    return "\n\n".join(parts)


def matrices_latex(model) -> str:
    """The same as LaTeX display equations."""
    out = [
        r"\[\boldsymbol\nu = \mathbf{X}\boldsymbol\beta + \boldsymbol\Lambda\boldsymbol\eta, \qquad",
        r"\boldsymbol\eta = \mathbf{B}\boldsymbol\eta + \boldsymbol\Gamma\mathbf{w} + \boldsymbol\zeta, \qquad",
        r"\boldsymbol\zeta \sim \mathrm{N}(\mathbf{0}, \boldsymbol\Psi)\]",
    ]
    for group in model.groups:
        for matrix, rows, columns, table, _ in _tables(model, group, latex=True):
            head = " & ".join(rf"\text{{{_escaped(c)}}}" for c in columns)
            lines = [rf"\text{{{_escaped(row)}}} & " + " & ".join(shown) for row, shown in zip(rows, table)]
            body = (r" \\" + "\n").join([f" & {head}", *lines])
            shape = "r|" + "c" * len(columns)
            out.append(rf"\[{TITLES[matrix][1]} = \begin{{array}}{{{shape}}}" + "\n" + body + "\n" + r"\end{array}\]")
    return "\n".join(out)


def tree_text(model, design=None, points=None, levels=None) -> str:
    """The integration tree, indented, with the responses that each latent variable's node holds."""
    from math import prod

    from semgllamm.estimation.predictor import plan_tree, response_paths
    from semgllamm.integration.tree import TYPICAL_ABOVE, TYPICAL_LOWEST

    tree = plan_tree(model, design)
    paths = response_paths(model, tree)
    at = dict(zip(levels, points)) if points is not None else {}
    lines = ["Integration tree: each latent variable is integrated given those above it."]

    def branch(k, depth):
        level = model.levels[model.eta_level[k]]
        own = [name for name, path in paths.items() if path and path[-1] == k]
        text = "  " * depth + f"{model.eta[k]}  [{level}]"
        if level in at:
            text += f"  {at[level]} points"
        lines.append(text + (f"  <- {', '.join(own)}" if own else ""))
        for child in tree.order:
            if tree.parent[child] == k:
                branch(child, depth + 1)

    for k in tree.order:
        if tree.parent[k] < 0:
            branch(k, 0)
    bare = [name for name, path in paths.items() if not path]
    if bare:
        lines.append("without latent variables: " + ", ".join(bare))
    counts = design.response_counts if design is not None else {}
    each = [at.get(model.levels[model.eta_level[k]], 0) for k in range(len(model.eta))]
    if at:
        total = sum(counts.get(name, 1) * prod(each[k] for k in path) for name, path in paths.items())
        lines.append(f"Cost: {total:,} densities an evaluation (answers times the points on their paths).")
    else:
        lines.append(f"Cost: {tree.cost:,.0f} densities an evaluation with {TYPICAL_LOWEST} points at the lowest level")
        what = "answers" if counts else "responses"
        lines.append(f"and {TYPICAL_ABOVE} above ({what} times the points on their paths).")
    return "\n".join(lines)
