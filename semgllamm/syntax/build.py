"""Tree to diagram: what each statement says, as parts of a PathDiagram; nothing is added that is not written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import Block, Constraint, Definition, Path, RandomTerm
from semgllamm.errors import ModelSyntaxError
from semgllamm.syntax import directives, modifiers, tree, whole
from semgllamm.syntax.arithmetic import expression
from semgllamm.syntax.names import RESERVED, fault, misfit, quoting
from semgllamm.syntax.parser import parse
from semgllamm.syntax.terms import Terms

__all__ = ["build", "read"]

# what the cross product of one statement's two sides may come to
MOST_PATHS = 100_000
KEPT = 32  # diagrams of texts that were read before, for those who fit one model again and again


def read(text: str) -> PathDiagram:
    """The path diagram that a model text says, before completion; those of the last texts are kept.

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
    return _kept(text) if isinstance(text, str) else build(parse(text))


@lru_cache(maxsize=KEPT)
def _kept(text: str) -> PathDiagram:
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
        try:
            for line in model.lines:
                match line:
                    case tree.Statement():
                        draft.statement(line)
                    case tree.DirectiveLine():
                        directives.line(draft, line)
                    case tree.LavaanHeader():
                        draft.lavaan_header(line)
            whole.check(draft)
        except RecursionError:
            raise ModelSyntaxError("Parentheses in the model text are nested too deeply") from None
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
        self.terms = Terms(self.text)
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
            self.block = replace(self.block, klass=("class", value), level=None)
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
        left = [self.left_variable(term, symbol) for term in self.terms.summands(statement.left)]
        right = list(self.terms.summands(statement.right))
        self.check_shape(statement, left, right)
        if len(left) * len(right) > MOST_PATHS:
            message = f"This statement stands for {len(left) * len(right):,} paths; {MOST_PATHS:,} are read at most"
            raise fault(message, statement.operator, "Write the paths that are meant in several statements.")
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
        if statement.operator.symbol == "<" and self.terms.lines[span.line - 1][span.column :].startswith("-"):
            remedy = "For a regression write y ~ x; for a bound put a blank between them: a < -1."
            raise fault("'<-' is no operator", statement.operator, remedy)

    def data_defined(self, statement: tree.Statement) -> None:
        """lavaan's ``label :~ expression``: kept as written, to be refused by name when the model is fitted."""
        name = self.left_variable(statement.left, ":~")[0]
        self.add(Path(name, ":~", self.terms.source(statement.right), self.block, span=statement.span), statement)

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
            remedy = "Make the product a column of the data and write that column's name."
            raise fault(f"A product cannot stand left of {op}", variable, remedy)
        if isinstance(variable, tree.Numeral):
            raise fault(f"A number cannot stand left of {op}", variable, "Variables stand there, as in y ~ 1")
        return self.terms.variable(variable), variable, efa

    def check_shape(self, statement: tree.Statement, left, right) -> None:
        """What the operator asks of its two sides as wholes."""
        op = statement.operator.symbol
        if op == "~*~":
            names = [name for name, _, _ in left]
            same = len(right) == 1 and [self.terms.variable(modifiers.split(right[0])[1])] == names
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

    # ------------------------------------------------------------------------------------------ terms

    def term(self, op, lhs, efa, term, block) -> None:
        """One pair of the cross product of left and right side."""
        written, target = modifiers.split(term)
        target = modifiers.bare(target)
        if isinstance(target, tree.RandomEffects):
            if op != "~":
                remedy = "Write it in a regression: y ~ x + (1 | g)"
                raise fault(f"A random-effect term cannot stand right of {op}", target, remedy)
            if written:
                remedy = "Its parts have names to modify: school.intercept ~~ a*school.intercept"
                raise fault("A random-effect term takes no modifier", written[0][0], remedy)
            self.random_terms += self.terms.random_effects(lhs, target, block)
            return
        said = modifiers.read(written, self.clash(lhs, op, target))
        if "efa" in said:
            remedy = 'It stands before each factor: efa("b")*f1 + efa("b")*f2 =~ x1 + x2'
            raise fault(f"efa() cannot stand right of {op}", term, remedy)
        path = self.path(op, lhs, target, block, said)
        if efa is not None:
            path = replace(path, efa=efa)
        self.check_path(path, target)
        self.add(path, target)

    def predictor_paths(self, response: str, right: tree.Node, block: Block) -> tuple[Path, ...]:
        """The terms of a linear predictor of something other than the mean."""
        outer, self.paths = self.paths, {}
        for term in self.terms.summands(right):
            if isinstance(modifiers.split(term)[1], tree.RandomEffects):
                remedy = "Its terms are covariates: @dispersion(y ~ 1 + z)"
                raise fault("A random-effect term cannot stand in this predictor", term, remedy)
            self.term("~", response, None, term, block)
        paths, self.paths = tuple(self.paths.values()), outer
        return paths

    def path(self, op: str, lhs: str, target: tree.Node, block: Block, said: modifiers.Modifiers) -> Path:
        """The path from `target` to `lhs` with its modifiers."""
        if isinstance(target, tree.Numeral):
            return self.numeral_path(op, lhs, target, block, said)
        return Path(lhs, op, self.terms.variable(target), block, span=target.span, **said)

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
        remedy = f"Right of {op} stand variables."
        if op == "=~":
            remedy = "Write f =~ 0 for a latent variable without measures."
        raise fault(f"A number cannot stand right of {op}", target, remedy)

    def check_path(self, path: Path, target: tree.Node) -> None:
        """What one path cannot be."""
        if path.lhs == path.rhs and path.op == "~" and path.fixed != (0.0,):
            raise misfit(f"'{path.lhs}' is regressed on itself", target, f"A variance is {path.lhs} ~~ {path.lhs}")
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
            raise fault(f"'{path.random_slope}' is a reserved word and no name", target, "Name the slope differently.")

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
        clash = self.clash(path.lhs, path.op.removesuffix("1"), node)
        modifiers.combine(said, more, lambda kind: clash(kind, node))
        self.paths[key] = replace(earlier, **said)

    def clash(self, lhs: str, op: str, target: tree.Node):
        """What to do when the path from `target` to `lhs` is given a modifier twice: note it."""

        def tell(kind: str, node) -> None:
            where = f"{lhs} {op} {self.terms.source(target)}"
            self.note(f"{where} is given more than one {modifiers.KINDS[kind]}; the last one holds", node)

        return tell

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
            remedy = "Write the directive on a line of its own with the name of the response."
            raise fault("This statement has no response for a directive", statement.directives[0], remedy)
        return words
