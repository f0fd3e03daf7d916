"""Tree to diagram: what each statement says, as parts of a PathDiagram; nothing is added that is not written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import Block, Constraint, Definition, Path, RandomTerm
from semgllamm.syntax import directives, modifiers, tree, whole
from semgllamm.syntax.arithmetic import expression
from semgllamm.syntax.names import RESERVED, fault, misfit, quoting
from semgllamm.syntax.parser import parse

__all__ = ["build", "read"]


def read(text: str) -> PathDiagram:
    """The path diagram that a model text says, before completion.

    Parameters
    ----------
    text : str
        Model syntax.

    Returns
    -------
    PathDiagram

    Raises
    ------
    ModelSyntaxError
        If the text cannot be read.
    ModelError
        If it can be read but contradicts itself.
    """
    return build(parse(text))


def build(model: tree.ModelText) -> PathDiagram:
    """The path diagram of a parsed text.

    Parameters
    ----------
    model : ModelText

    Returns
    -------
    PathDiagram
    """
    with quoting(model.text):
        draft = Draft(model.text, model.lines)
        for line in model.lines:
            match line:
                case tree.Statement():
                    draft.statement(line)
                case tree.DirectiveLine():
                    directives.line(draft, line)
                case tree.LavaanHeader():
                    draft.lavaan_header(line)
        whole.check(draft)
        return draft.diagram()


@dataclass
class Draft:
    """A diagram in the making: the address at which the next statement stands, and what was said so far."""

    text: str
    lines: tuple
    lavaan: bool = False
    block: Block = field(default_factory=Block)
    paths: dict[tuple, Path] = field(default_factory=dict)
    random_terms: list[RandomTerm] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    families: list[directives.FamilyClaim] = field(default_factory=list)
    latents: list = field(default_factory=list)
    predictors: list = field(default_factory=list)
    columns: list = field(default_factory=list)
    classes: list[tuple[str, str, tree.Directive]] = field(default_factory=list)
    headers: list[tree.LavaanHeader] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.lavaan = any(isinstance(line, tree.LavaanHeader) for line in self.lines)
        if self.lavaan:
            self.block = Block(style="lavaan")

    def diagram(self) -> PathDiagram:
        return PathDiagram(
            text=self.text,
            paths=tuple(self.paths.values()),
            random_terms=tuple(self.random_terms),
            definitions=tuple(self.definitions),
            constraints=tuple(self.constraints),
            families=tuple(directives.settled(self.families)),
            latents=tuple(self.latents),
            predictors=tuple(self.predictors),
            columns=tuple(self.columns),
            style="lavaan" if self.lavaan else "at",
            notes=tuple(self.notes),
        )

    def note(self, message: str, node) -> None:
        note = f"line {node.span.line}: {message}"
        if note not in self.notes:
            self.notes.append(note)

    def source(self, node) -> str:
        """The text of `node` as written, on one line."""
        span, lines = node.span, self.text.split("\n")[node.span.line - 1 : node.span.end_line]
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        return " ".join(" ".join(re.sub(r"[#!].*", "", line) for line in lines[:-1]).split() + lines[-1].split())

    # ------------------------------------------------------------------------------------------ headers

    def lavaan_header(self, header: tree.LavaanHeader) -> None:
        """``group: 1``, ``level: within``: levels stand inside groups."""
        value = header.value
        if not (named := re.fullmatch(r"""([\w.]+)|"([^"]+)"|'([^']+)'""", value)):
            message = f"'{header.keyword}:' is followed by one number, name or quoted text"
            raise fault(message, header, f"Write {header.keyword}: 1 and go on in the next line.")
        value = named[1] or named[2] or named[3]
        if header.keyword == "level":
            self.block = replace(self.block, level=value)
        elif header.keyword == "class":
            self.block = replace(self.block, klass=("class", value))
        else:
            levels = [earlier for earlier in self.headers if earlier.keyword == "level"]
            if levels and not any(earlier.keyword == header.keyword for earlier in self.headers):
                remedy = "Write group: first, and inside each group level: 1 and level: 2."
                raise misfit("Groups cannot be nested within levels", header, remedy)
            self.block = Block(group=value, style="lavaan")
        if not self.headers and (self.paths or self.random_terms):
            self.note("statements before the first block belong to no block", header)
        self.headers.append(header)

    # ------------------------------------------------------------------------------------------ statements

    def statement(self, statement: tree.Statement) -> None:
        symbol = statement.operator.symbol
        if symbol in (":=", "==", "<", ">", ":~"):
            if statement.directives:
                message = f"A statement with {symbol} takes no directive"
                raise fault(message, statement.directives[0], "Labels hold in the whole model.")
            if symbol == ":=":
                self.definition(statement)
            elif symbol == ":~":
                self.data_defined(statement)
            else:
                self.constraint(statement)
            return
        block, attached = directives.trailing(self, statement.directives)
        left = [self.left_variable(term, symbol) for term in self.summands(statement.left)]
        right = list(self.summands(statement.right))
        self.check_shape(statement, left, right)
        for name, _, efa in left:
            for term in right:
                self.term(symbol, name, efa, term, block)
        if attached:
            directives.attach(self, attached, self.responses(symbol, left, right, statement), block, symbol)

    def definition(self, statement: tree.Statement) -> None:
        match statement.left:
            case tree.Word(name, quoted) if quoted or name not in RESERVED:
                pass
            case _:
                remedy = "One name stands left of :=, as in ab := a*b."
                raise fault("This cannot be the name of a defined parameter", statement.left, remedy)
        self.definitions.append(Definition(name, expression(statement.right), statement.span))

    def constraint(self, statement: tree.Statement) -> None:
        self.refuse_arrow(statement)
        left, right = expression(statement.left), expression(statement.right)
        self.constraints.append(Constraint(left, statement.operator.symbol, right, statement.span))

    def refuse_arrow(self, statement: tree.Statement) -> None:
        """``y <- x`` would read as y < -x."""
        span = statement.operator.span
        if statement.operator.symbol == "<" and self.text.split("\n")[span.line - 1][span.column :].startswith("-"):
            remedy = "For a regression write y ~ x; for a bound put a blank between them: a < -1."
            raise fault("'<-' is no operator", statement.operator, remedy)

    def data_defined(self, statement: tree.Statement) -> None:
        """lavaan's ``label :~ expression``: kept as written, to be refused by name when the model is fitted."""
        name = self.left_variable(statement.left, ":~")[0]
        self.add(Path(name, ":~", self.source(statement.right), self.block, span=statement.span), statement)

    # ------------------------------------------------------------------------------------------ left sides

    def left_variable(self, term: tree.Node, op: str) -> tuple[str, tree.Node, str | None]:
        """The name of one summand left of `op`, its node, and its ``efa()`` block."""
        written, variable = modifiers.split(term)
        efa = None
        if written:
            said = modifiers.read(written, lambda kind, node: None)
            efa = said.get("efa")
            if set(said) != {"efa"} or op != "=~":
                remedy = "Modifiers stand on the right-hand side, before the term they modify."
                raise fault(f"A modifier cannot stand left of {op}", term, remedy)
        if isinstance(variable, tree.Product) and op not in ("~", "~~"):
            raise fault(f"A product cannot stand left of {op}", variable)
        if isinstance(variable, tree.Numeral):
            raise fault(f"A number cannot stand left of {op}", variable)
        return self.variable(variable), variable, efa

    def check_shape(self, statement: tree.Statement, left, right) -> None:
        """What the operator asks of its two sides as wholes."""
        op = statement.operator.symbol
        if op == "~*~":
            names = [name for name, _, _ in left]
            same = len(right) == 1 and [self.variable(modifiers.split(right[0])[1])] == names
            if not same:
                remedy = "A scaling factor has the same response on both sides: u1 ~*~ u1."
                raise fault("~*~ joins a response with itself", statement, remedy)
        if op == "=~" and len(right) > 1:
            for term in right:
                if isinstance(term, tree.Numeral) and term.value == 0:
                    remedy = "Write f =~ 0 alone for a latent variable without measures, or leave the 0 out."
                    raise fault("0 stands alone on the right of =~", term, remedy)
        if op == "~":
            ones = [modifiers.split(term) for term in right]
            numerals = [(written, target) for written, target in ones if isinstance(target, tree.Numeral)]
            if {target.value for _, target in numerals} == {0.0, 1.0}:
                remedy = "Keep 1 for a free intercept, 0 for an intercept fixed at 0."
                raise fault("This statement has both 0 and 1", numerals[-1][1], remedy)

    def summands(self, side: tree.Node) -> Iterable[tree.Node]:
        """The terms of a side; none may be subtracted."""
        terms, signs = (side.terms, side.signs) if isinstance(side, tree.Sum) else ((side,), ("+",))
        for sign, term in zip(signs, terms):
            if sign == "-":
                self.refuse_minus(term)
            if isinstance(term, tree.Negative):
                self.refuse_minus(term.operand)
        return terms

    def refuse_minus(self, term: tree.Node) -> None:
        if isinstance(term, tree.Numeral) and term.value == 1:
            remedy = "For an intercept fixed at 0 write 0 among the terms: y ~ 0 + x."
            raise fault("'- 1' does not leave out the intercept here", term, remedy)
        remedy = f"Leave it out, or fix its coefficient: + -1*{self.source(modifiers.split(term)[1])}"
        raise fault("A term cannot be subtracted", term, remedy)

    # ------------------------------------------------------------------------------------------ terms

    def term(self, op, lhs, efa, term, block) -> None:
        """One pair of the cross product of left and right side."""
        written, target = modifiers.split(term)
        while isinstance(target, tree.Group) and isinstance(target.inner, tree.Group | tree.Word | tree.Product):
            target = target.inner
        if isinstance(target, tree.RandomEffects):
            self.random_effects(op, lhs, written, target, block)
            return
        said = modifiers.read(written, self.clash(f"{lhs} {op} {self.source(target)}"))
        path = self.path(op, lhs, target, block, said)
        if efa is not None:
            path = replace(path, efa=efa)
        self.check_path(path, target)
        self.add(path, target)

    def predictor_paths(self, response: str, right: tree.Node, block: Block) -> tuple[Path, ...]:
        """The terms of a linear predictor of something other than the mean."""
        outer, self.paths = self.paths, {}
        for term in self.summands(right):
            if isinstance(modifiers.split(term)[1], tree.RandomEffects):
                raise fault("A random-effect term cannot stand in this predictor", term)
            self.term("~", response, None, term, block)
        paths, self.paths = tuple(self.paths.values()), outer
        return paths

    def path(self, op: str, lhs: str, target: tree.Node, block: Block, said: modifiers.Modifiers) -> Path:
        """The path from `target` to `lhs` with its modifiers."""
        if isinstance(target, tree.Numeral):
            return self.numeral_path(op, lhs, target, block, said)
        return Path(lhs, op, self.variable(target), block, span=target.span, **said)

    def numeral_path(self, op, lhs, target, block, said) -> Path:
        """``y ~ 1``, ``y ~ 0``, ``f =~ 0``."""
        if op == "=~" and target.value == 0 and not said:
            return Path(lhs, op, "", block, span=target.span)
        if op == "~" and target.value == 1:
            return Path(lhs, "~1", "", block, span=target.span, **said)
        if op == "~" and target.value == 0 and not said:
            return Path(lhs, "~1", "", block, fixed=(0.0,), span=target.span)
        if op == "~":
            digits = target.digits
            remedy = f"1 is the intercept, 0 fixes it at 0, {digits}*1 fixes it at {digits}."
            raise fault(f"The number {digits} is no term", target, remedy)
        remedy = "Write f =~ 0 for a latent variable without measures." if op == "=~" else "A variable stands here."
        raise fault(f"A number cannot stand right of {op}", target, remedy)

    def check_path(self, path: Path, target: tree.Node) -> None:
        """What one path cannot be."""
        if path.lhs == path.rhs and path.op == "~" and path.fixed != (0.0,):
            raise misfit(f"'{path.lhs}' is regressed on itself", target, "For a variance write y ~~ y.")
        if path.lhs == path.rhs and path.op in ("=~", "<~"):
            raise misfit(f"'{path.lhs}' is measured by itself", target, "Indicators are other variables.")
        if ":" in path.rhs and path.op not in ("~", "~~"):
            remedy = f"Make the product a column of the data and write its name right of {path.op}."
            raise fault(f"A product cannot stand right of {path.op}", target, remedy)
        if path.op == "|" and not re.fullmatch(r"t[1-9]\d*", path.rhs):
            remedy = f"Thresholds are called t1, t2, ... in order: {path.lhs} | t1 + t2"
            raise fault(f"'{path.rhs}' is no threshold", target, remedy)
        if path.random_slope is not None and path.op != "~":
            remedy = 'Write rv("s") before a covariate right of ~, as in y ~ rv("s")*x.'
            raise fault(f"A random slope cannot stand right of {path.op}", target, remedy)
        if path.random_slope in RESERVED:
            raise fault(f"'{path.random_slope}' is a reserved word and no name", target)

    def add(self, path: Path, node) -> None:
        """Put a path on record; a pair that is there already takes on the new modifiers."""
        key = (path.lhs, path.op, tuple(sorted(path.rhs.split(":"))), path.block)
        if path.op == "~~":
            key = (path.op, tuple(sorted((path.lhs, path.rhs))), path.block)
        earlier = self.paths.get(key)
        if earlier is None:
            self.paths[key] = path
            return
        said = {kind: value for kind in modifiers.KINDS if (value := getattr(earlier, kind)) is not None}
        more = {kind: value for kind in modifiers.KINDS if (value := getattr(path, kind)) is not None}
        clash = self.clash(f"{path.lhs} {path.op} {path.rhs}".removesuffix(" "))
        modifiers.combine(said, more, lambda kind: clash(kind, node))
        self.paths[key] = replace(earlier, **said)

    def clash(self, where: str):
        def tell(kind: str, node) -> None:
            self.note(f"{where} is given more than one {modifiers.KINDS[kind]}; the last one holds", node)

        return tell

    def variable(self, node: tree.Node) -> str:
        """The name of a variable, or of the product of two."""
        match node:
            case tree.Word(name, quoted):
                if not quoted and name in RESERVED:
                    remedy = f"To free a parameter write NA*x; a column of this name stands in backticks: `{name}`"
                    raise fault(f"'{name}' is a reserved word and no variable", node, remedy)
                if ":" in name:
                    remedy = "Rename the column in the data."
                    raise fault("A variable with a colon in its name cannot be told from a product", node, remedy)
                return name
            case tree.Product([first, second]):
                return f"{self.variable(first)}:{self.variable(second)}"
            case tree.Product():
                remedy = "Make the product of two of them a column of the data, then multiply it with the third."
                raise fault("A product has two factors, not more", node, remedy)
            case tree.Group(tree.Word() as inner):
                return self.variable(inner)
        raise self.no_variable(node)

    def no_variable(self, node: tree.Node):
        """The error for something that is written where a variable must stand."""
        source = self.source(node)
        match node:
            case tree.Call(function) if function in modifiers.CALLS:
                return fault(f"{source} modifies nothing", node, f"Join it to a term with *: {source}*x")
            case tree.Call("offset" | "exposure" | "trials" as function):
                return fault(f"{source} is no term", node, f"Write the directive @{source} at the end of the line.")
            case tree.Call("factor" | "as.factor" | "ordered" | "C" as function, arguments):
                inner = self.source(arguments[0]) if arguments else "g"
                remedy = f"Make the column categorical in the data and write {inner}: it becomes dummies by itself."
                return fault(f"{function}() is not applied in a model text", node, remedy)
            case tree.Call("I", (tree.Power(tree.Word(name), tree.Numeral(2.0)),)):
                return fault("I() is not applied in a model text", node, f"Write the product {name}:{name}")
            case tree.Call(function):
                remedy = "Compute it as a column of the data first, and write that column's name."
                return fault(f"Functions such as {function}() are not applied to columns in a model text", node, remedy)
            case tree.Power(tree.Word(name), tree.Numeral(2.0)):
                return fault(f"{source} is no term", node, f"Write the product {name}:{name}")
            case tree.Text(value):
                return fault(f"{source} is a text, not a variable", node, f"A column name stands in backticks: `{value}`")
            case tree.Numeral():
                return fault(f"The number {source} is no variable", node)
            case tree.Group() | tree.Sum():
                return fault("Brackets around several terms have no meaning here", node, "Write each term on its own.")
            case tree.RandomEffects():
                return fault("A random-effect term cannot stand here", node, "It is a term right of ~: y ~ x + (1 | g)")
        return fault(f"{source} is no term", node, "Compute it as a column of the data first.")

    # ------------------------------------------------------------------------------------------ random effects

    def random_effects(self, op, lhs, written, node: tree.RandomEffects, block: Block) -> None:
        """``(1 + x | school/class)`` as one RandomTerm per cluster, the highest first."""
        if op != "~":
            remedy = "Write it in a regression: y ~ x + (1 | g)"
            raise fault(f"A random-effect term cannot stand right of {op}", node, remedy)
        if written:
            remedy = "Its parts have names to modify: school.intercept ~~ a*school.intercept"
            raise fault("A random-effect term takes no modifier", written[0][0], remedy)
        names: list[str] = []
        intercept = True
        for term in self.summands(node.terms):
            if isinstance(term, tree.Numeral) and term.value in (0, 1):
                intercept = term.value == 1
            elif isinstance(term, tree.Chain):
                remedy = "Products are written x1:x2; constraints go on its parts, as in school.x ~~ a*school.x."
                raise fault("Terms left of the bar take no modifiers", term, remedy)
            elif (name := self.variable(term)) not in names:
                names.append(name)
        terms = ("1", *names) if intercept else tuple(names)
        if not terms:
            raise fault("This random-effect term has no terms", node, "A random intercept is (1 | g).")
        for cluster, within in self.clusters(node.cluster):
            self.random_terms.append(RandomTerm(lhs, terms, cluster, node.bar == "||", block, node.span, within))

    def clusters(self, node: tree.Node) -> list[tuple[str, tuple[str, ...]]]:
        """Each cluster with those above it: ``school/class`` names two, ``school:class`` the second of them alone."""
        match node:
            case tree.Word():
                return [(self.variable(node), ())]
            case tree.Chain(factors, signs) if set(signs) == {"/"}:
                names = [self.variable(factor) for factor in factors]
                return [(name, tuple(names[:depth])) for depth, name in enumerate(names)]
            case tree.Product(factors):
                *above, name = [self.variable(factor) for factor in factors]
                return [(name, tuple(above))]
        remedy = "Write one term per cluster: (1 | a) + (1 | b); for classes in schools (1 | school/class)."
        raise fault("Right of the bar stands a cluster column", node, remedy)

    # ------------------------------------------------------------------------------------------ responses

    def responses(self, op: str, left, right, statement: tree.Statement) -> list[tree.Word]:
        """The responses that a directive at the end of the statement speaks of."""
        if op == "=~":
            targets = [modifiers.split(term)[1] for term in right]
        elif op in ("~", "|", "~*~"):
            targets = [node for _, node, _ in left]
        else:
            remedy = "Write it on a line of its own with the name of the response: @family(y, poisson)."
            raise fault(f"A statement with {op} has no response for a directive", statement.directives[0], remedy)
        words = [target for target in targets if isinstance(target, tree.Word)]
        if not words:
            raise fault("This statement has no response for a directive", statement.directives[0])
        return words
