"""Lowering: a completed path diagram becomes the matrices of its GLLAMM.

f =~ y        Λ[y, f]                 f =~ g, g ~ f      B[g, f]
y ~ x         β[y, x]                 g ~ w, g <~ w      Γ[g, w]
y ~ f:x       Λ[y, f] times x         y ~ 1, g ~ 1       β[y, 1], Γ[g, 1]
y ~~ y        Θ[y, y] at y's own level; at a higher level a random intercept of y with this variance in Ψ
f ~~ g        Ψ[f, g]                 f ~~ y             Ω[y, f]
u | t1        κ[u, t1]                @thresholds(u ~ x)     κ[u, t1] times x, and so on
@dispersion(y ~ z)     α[y, z], a logarithm        @inflation(y ~ z)      ϱ[y, z], a logit
@guessing(u ~ 1), @ceiling(u ~ 1)    logits of asymptotes

Under lavaan's headers a response of both levels is the sum of a part within and a part between clusters. Where it is a
cause at a level, its part of that level is a latent variable, to which the paths of that level run: y = y@row +
y@school.
"""

from __future__ import annotations

from collections.abc import Sequence

from semgllamm.diagram.classes import class_name, class_variables, classes_of, level_of_classes, patterns, variable_name
from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import Parameter
from semgllamm.errors import ModelError
from semgllamm.model.matrices import FIXED, OWN_MATRICES, Cell, ClassVariable, Matrices, Model, Response

__all__ = ["level_index", "lower"]

ROW_LEVELS = (None, "", "row", "1", "within")


def level_index(level: str | None, levels: Sequence[str]) -> int:
    """Index of a block's level; lavaan's ``level: 2`` and ``level: between`` are the lowest cluster."""
    if level in ROW_LEVELS:
        return 0
    if level in levels:
        return list(levels).index(level)
    if level == "between":
        return 1
    if level.isdigit() and int(level) <= len(levels):
        return int(level) - 1
    raise ModelError(
        f"there is no level '{level}'", remedy=f"Levels of this model: {', '.join(levels)}; name clusters in cluster=."
    )


def lower(
    diagram: PathDiagram, levels: Sequence[str], responses: Sequence[Response], group_labels: Sequence[str] = ("",)
) -> Model:
    """Lower a completed diagram.

    Parameters
    ----------
    diagram : PathDiagram
        With its parameters filled in.
    levels : sequence of str
        Levels, lowest first, "row" the first.
    responses : sequence of Response
        Every variable with a density, with family and level.
    """
    return _Lowering(diagram, tuple(levels), tuple(responses), tuple(group_labels)).run()


class _Lowering:
    def __init__(self, diagram, levels, responses, group_labels):
        self.diagram, self.levels, self.responses, self.group_labels = diagram, levels, responses, group_labels
        self.by_name = {response.name: response for response in responses}
        self.level = {name: level_index(diagram.latent_level(name), levels) for name in diagram.latent_names}
        self.hidden: list[str] = []
        self.parted = self._parted_causes()
        self.shared: list[tuple[Parameter, str]] = []
        self.products: list[Parameter] = []
        self.n_patterns = len(patterns(diagram))
        self.logits = {
            class_name(variable_name(declared), klass)
            for declared in class_variables(diagram) for klass in classes_of(declared)
        }  # fmt: skip
        n_components = len(group_labels) * self.n_patterns
        self.cells = [{name: [] for name in Matrices.__dataclass_fields__} for _ in range(n_components)]
        self.names: list[str] = []
        self.number_of: dict[str, int] = {}

    def run(self) -> Model:
        rows = [self._row(row) for row in self.diagram.parameters]
        self._check_shared()
        self._check_products()
        groups = tuple(Matrices(**{name: tuple(cells) for name, cells in group.items()}) for group in self.cells)
        eta = tuple(self.level)
        return Model(
            levels=self.levels, responses=self.responses, eta=eta, eta_level=tuple(self.level[name] for name in eta),
            groups=groups, names=tuple(self.names), rows=tuple(rows), group_labels=self.group_labels,
            hidden=frozenset(self.hidden), classes=self._classes(), patterns=self._patterns(),
        )  # fmt: skip

    def _classes(self) -> tuple[ClassVariable, ...]:
        return tuple(
            ClassVariable(
                variable_name(declared), classes_of(declared), self._class_level(declared),
                declared.known, declared.names if declared.kind == "npml" else (),
            )
            for declared in class_variables(self.diagram)
        )  # fmt: skip

    def _class_level(self, declared) -> int:
        level = level_of_classes(declared, self.diagram)
        return level_index(level, self.levels)

    def _patterns(self) -> tuple[tuple[int, ...], ...]:
        number = [{klass: k for k, klass in enumerate(classes_of(d))} for d in class_variables(self.diagram)]
        return tuple(tuple(n[k] for n, (_, k) in zip(number, pattern)) for pattern in patterns(self.diagram))

    def _components(self, row: Parameter):
        """The sets of matrices that a row is in: those of its group, of the patterns of classes that it is for."""
        first = (row.group - 1) * self.n_patterns
        if row.lhs in self.logits:
            return self.cells[first : first + 1]
        chosen = range(self.n_patterns) if row.patterns is None else row.patterns
        return [self.cells[first + place] for place in chosen]

    def _parted_causes(self) -> frozenset[tuple[str, int]]:
        """(response, level): responses of both levels, with the levels at which they are causes."""
        if self.diagram.style != "lavaan":
            return frozenset()
        rows = [(row, level_index(row.level, self.levels)) for row in self.diagram.parameters]
        low = {name for name, response in self.by_name.items() if response.level == 0}
        both = {name for row, level in rows if level > 0 for name in (row.lhs, row.rhs) if name in low}
        causes = [(name, level, row) for row, level in rows if row.op in ("~", "<~") for name in row.rhs.split(":")]
        for name, _, row in causes:
            if name in both and name != row.rhs:
                self._refuse(row, f"{name} has a part at each level, and its product {row.rhs} is of neither")
        return frozenset((name, level) for name, level, _ in causes if name in both)

    def _node(self, name: str, row: Parameter) -> str:
        """What a row of a level means by a variable's name: itself, or its part of that level."""
        level = level_index(row.level, self.levels)
        return self._between(name, level) if (name, level) in self.parted else name

    def _number(self, row: Parameter) -> int:
        if row.fixed is not None:
            return FIXED
        name = row.group_name
        level = level_index(row.level, self.levels)
        of_part = row.op in ("~~", "~1") or (row.op == "~" and (row.rhs, level) in self.parted)
        if level > 0 and of_part and self._own_level(row.lhs) == 0:
            name += f".l{level + 1}"
        name += row.class_suffix
        key = row.label or name
        if key not in self.number_of:
            self.number_of[key] = len(self.names)
            self.names.append(key)
        self.number_of.setdefault(name, self.number_of[key])
        return self.number_of[key]

    def _own_level(self, name: str) -> int:
        return self.by_name[name].level if name in self.by_name else self.level.get(name, 0)

    def _row(self, row: Parameter) -> int:
        if row.exogenous or row.op in (":=", "==", "<", ">"):
            return FIXED
        if row.op == "~*~":
            if row.fixed != 1.0:
                self._refuse(row, "a free or non-unit scale (~*~) cannot be fitted yet")
            return FIXED
        if row.op == "=~" and not row.rhs:
            return FIXED
        if row.op == "~~" and row.lhs != row.rhs and row.fixed == 0.0:
            return FIXED
        if row.op == "~~" and row.lhs == row.rhs and row.fixed == 1.0 and self._is_probit(row):
            return FIXED  # the variance of its link
        number = self._number(row)
        if row.lhs in self.logits:
            matrix, lhs, (rhs, times) = "membership", row.lhs, self._cause_of_class(row.rhs)
        elif row.op.startswith("@"):
            matrix, lhs, rhs, times = self._auxiliary(row)
        elif row.op.startswith("|t"):
            matrix, lhs, rhs, times = "kappa", row.lhs, row.op.strip("|~"), row.rhs
        else:
            matrix, lhs, rhs, times = getattr(self, _PLACE[row.op])(row)
        value = 0.0 if row.fixed is None else float(row.fixed)
        for cells in self._components(row):
            cells[matrix].append(Cell(lhs, rhs, number, value, times))
        return number

    def _cause_of_class(self, rhs: str) -> tuple[str, str | None]:
        """A covariate; or a latent variable, and the covariate that it multiplies."""
        latent, _, times = rhs.partition(":")
        return (latent, times or None) if latent in self.level else (rhs or "1", None)

    def _is_probit(self, row: Parameter) -> bool:
        """Whether a row is about an ordinal probit response at its own level."""
        found = self.by_name.get(row.lhs)
        if found is None or found.level != level_index(row.level, self.levels):
            return False
        return (found.family.name, found.family.link) == ("ordinal", "probit")

    def _refuse(self, row: Parameter, message: str, remedy: str | None = None):
        raise ModelError(message, text=self.diagram.text, span=row.span, remedy=remedy)

    def _measurement(self, row):
        measure = self._node(row.rhs, row)
        return ("B" if measure in self.level else "Lambda"), measure, row.lhs, None

    def _intercept(self, row):
        name = self._node(row.lhs, row)
        return ("Gamma" if name in self.level else "beta"), name, "1", None

    def _threshold(self, row):
        return "kappa", row.lhs, row.rhs, None

    def _auxiliary(self, row):
        """A term of a linear predictor that is not the mean's: ``@dispersion~``, ``@guessing~1``."""
        kind = row.op[1:].partition("~")[0]
        return OWN_MATRICES.get(kind, kind), row.lhs, row.rhs or "1", None

    def _regression(self, row):
        effect, cause = self._node(row.lhs, row), self._node(row.rhs, row)
        factors = [cause] if cause in self.level else cause.split(":")
        latent = [name for name in factors if name in self.level]
        to_latent = effect in self.level
        if len(latent) > 1:
            self.products.append(row)
            return "products", effect, *latent
        if not latent:
            return ("Gamma" if to_latent else "beta"), effect, cause, None
        times = ":".join(name for name in factors if name not in self.level) or None
        return ("B" if to_latent else "Lambda"), effect, latent[0], times

    def _covariance(self, row):
        level = level_index(row.level, self.levels)
        own = [self._own_level(name) for name in (row.lhs, row.rhs)]
        if level < max(own):
            low = row.lhs if own[0] == max(own) else row.rhs
            self._refuse(row, f"{low} varies over the units of '{self.levels[max(own)]}', above this block's level")
        names = []
        for name, at in zip((row.lhs, row.rhs), own):
            names.append(self._node(name, row) if at == level else self._between(name, level))
        observed = [name for name in names if name in self.by_name]
        for name in observed:
            if not self.by_name[name].family.has_residual:
                self._refuse(
                    row,
                    "a free residual variance of an ordinal response (parameterization='theta') cannot be fitted yet"
                    if row.source == "default"
                    else f"{name} is {self.by_name[name].family.name}: it has no residual variance or covariance",
                    f"Write a factor instead: shared =~ 1*{row.lhs} + 1*{row.rhs}.",
                )
        if len(observed) == 1:
            latent = names[0] if names[1] in observed else names[1]
            self.shared.append((row, latent))
            return "Omega", observed[0], latent, None
        return ("Theta" if observed else "Psi"), *names, None

    def _check_shared(self):
        """A residual can only covary with a disturbance that is there."""
        for row, latent in self.shared:
            Psi = [c for cells in self._components(row) for c in cells["Psi"]]
            if not any(c.row == latent == c.column and (c.is_free or c.value != 0.0) for c in Psi):
                remedy = f"Free its variance: {latent} ~~ {latent}."
                self._refuse(row, f"{latent} has no disturbance to covary with", remedy)

    def _check_products(self):
        """Products are of variables that are linear in the disturbances and vary where what they enter does."""
        for row in self.products:
            cells = self.cells[row.group - 1]
            effect = self._node(row.lhs, row)
            at = self._own_level(effect)
            for factor in row.rhs.split(":"):
                if self.level[factor] < at:
                    self._refuse(row, f"{factor} varies within units of '{self.levels[at]}', and {effect} does not")
            entered = {c.row for c in cells["products"]}
            if effect in self._behind(cells, {effect}):
                self._refuse(row, f"{effect} depends on itself: a feedback loop cannot take in a product")
            bent = next((f for f in row.rhs.split(":") if entered & {f, *self._behind(cells, {f})}), None)
            if bent is not None:
                remedy = "A product has two latent variables that are linear in the disturbances of the model."
                self._refuse(row, f"{bent} depends on a product, so that {row.rhs} is of a higher degree", remedy)
        if self.products and self.n_patterns > 1:
            self._refuse(self.products[0], "products of latent variables beside classes cannot be fitted yet")
        if self.products and any(response.family.is_joint for response in self.responses):
            self._refuse(self.products[0], "products of latent variables beside choices cannot be fitted yet")

    @staticmethod
    def _behind(cells, names: set[str]) -> set[str]:
        """What these depend on, themselves only where they are in a loop."""
        found: set[str] = set()
        todo = set(names)
        while todo:
            name = todo.pop()
            causes = {c.column for c in cells["B"] if c.row == name}
            causes |= {factor for c in cells["products"] if c.row == name for factor in (c.column, c.times)}
            todo |= causes - found
            found |= causes
        return found

    def _between(self, name: str, level: int) -> str:
        """A variable's part of a level, at a higher one its random intercept; made when first named."""
        hidden = f"{name}@{self.levels[level]}"
        if hidden not in self.level:
            self.level[hidden] = level
            self.hidden.append(hidden)
            matrix = "Lambda" if name in self.by_name else "B"
            for cells in self.cells:
                cells[matrix].append(Cell(name, hidden, FIXED, 1.0))
        return hidden


_PLACE = {
    "=~": "_measurement", "<~": "_regression", "~": "_regression", "~1": "_intercept", "~~": "_covariance",
    "|": "_threshold",
}  # fmt: skip
