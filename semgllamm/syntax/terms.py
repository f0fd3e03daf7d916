"""The terms of a statement: variables, products, random effects, and what is none of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from semgllamm.diagram.parts import Block, RandomTerm
from semgllamm.syntax import modifiers, tree
from semgllamm.syntax.names import RESERVED, fault

__all__ = ["Terms"]

MOST_LEVELS = 50


@dataclass(frozen=True)
class Terms:
    """Reads terms; keeps the text, so that a message can show what was written."""

    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def source(self, node) -> str:
        """`node` as written, on one line and without comments."""
        span = node.span
        lines = self.lines[span.line - 1 : span.end_line]
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        lines[:-1] = [re.sub(r"[#!].*", "", line) for line in lines[:-1]]
        return " ".join(" ".join(lines).split())

    def summands(self, side: tree.Node) -> tuple[tree.Node, ...]:
        """The terms of a side; none may be subtracted."""
        terms, signs = (side.terms, side.signs) if isinstance(side, tree.Sum) else ((side,), ("+",))
        for sign, term in zip(signs, terms):
            if sign == "-":
                raise self.subtracted(term)
            if isinstance(term, tree.Negative):
                raise self.subtracted(term.operand)
        return terms

    def subtracted(self, term: tree.Node):
        if isinstance(term, tree.Numeral) and term.value == 1:
            remedy = "Where none is wanted write 0 among the terms: y ~ 0 + x, (0 + x | g)"
            return fault("The intercept is not taken out by - 1", term, remedy)
        remedy = f"Leave it out, or fix its coefficient: + -1*{self.source(modifiers.split(term)[1])}"
        return fault("A term cannot be subtracted", term, remedy)

    def variable(self, node: tree.Node) -> str:
        """The name of a variable, or of the product of two."""
        match modifiers.bare(node):
            case tree.Word(name, quoted) as word:
                if not quoted and name in RESERVED:
                    remedy = f"To free a parameter write NA*x; a column of this name stands in backticks: `{name}`"
                    raise fault(f"'{name}' is a reserved word and no variable", word, remedy)
                if ":" in name:
                    remedy = "Rename the column in the data."
                    raise fault("A variable with a colon in its name cannot be told from a product", word, remedy)
                return name
            case tree.Product([tree.Word() as first, tree.Word() as second]):
                return f"{self.variable(first)}:{self.variable(second)}"
            case tree.Product([_, _, _, *_]) as product:
                remedy = (
                    "Make the product of observed variables a column of the data, then multiply it with the third; of "
                    "latent variables write products of two."
                )
                why = "predictors are integrated up to degree two in the latent variables"
                raise fault(f"A product has two factors, not more: {why}", product, remedy)
        raise self.no_variable(node)

    def no_variable(self, node: tree.Node):
        """The error for something that is written where a variable must stand."""
        source = self.source(node)
        message = f"{source} is no term"
        match node:
            case tree.Call(function) if function in modifiers.CALLS:
                return fault(f"{source} modifies nothing", node, f"Join it to a term with *: {source}*x")
            case tree.Call("offset" | "exposure" | "trials" | "event" | "interval"):
                return fault(message, node, f"Write the directive @{source} at the end of the line.")
            case tree.Call("factor" | "as.factor" | "ordered" | "C" as function, arguments):
                inner = self.source(arguments[0]) if arguments else "g"
                remedy = f"Make the column categorical in the data and write {inner}: it becomes dummies by itself."
                return fault(f"{function}() is not applied in a model text", node, remedy)
            case tree.Call("I", (tree.Power(tree.Word(name), tree.Numeral(2.0)),)):
                return fault("I() is not applied in a model text", node, f"Write the product {name}:{name}")
            case tree.Call(function):
                remedy = "Compute it as a column of the data first, and write that column's name."
                return fault(f"{function}() is not applied in a model text", node, remedy)
            case tree.Power(tree.Word(name), tree.Numeral(2.0)):
                return fault(message, node, f"Write the product {name}:{name}")
            case tree.Text(value):
                remedy = f"A column name that is no plain name stands in backticks: `{value}`"
                return fault(f"{source} is a text, not a variable", node, remedy)
            case tree.Numeral():
                return fault(f"The number {source} is no variable", node, "A variable's name stands here.")
            case tree.Group() | tree.Sum():
                return fault("Brackets around terms have no meaning here", node, "Write each term on its own.")
            case tree.RandomEffects():
                return fault("A random-effect term cannot stand here", node, "It is a term right of ~: y ~ x + (1 | g)")
        return fault(message, node, "Compute it as a column of the data first.")

    def random_effects(self, lhs: str, node: tree.RandomEffects, block: Block) -> list[RandomTerm]:
        """``(1 + x | school/class)`` as one RandomTerm per cluster, the highest first."""
        names: list[str] = []
        intercept = True
        for term in self.summands(node.terms):
            if isinstance(term, tree.Numeral) and term.value in (0, 1):
                intercept = term.value == 1
            elif isinstance(term, tree.Chain):
                remedy = "Products are written x1:x2; modifiers go on its parts, as in school.x ~~ a*school.x"
                raise fault("Terms left of the bar take no modifiers", term, remedy)
            elif (name := self.variable(term)) not in names:
                names.append(name)
        terms = ("1", *names) if intercept else tuple(names)
        if not terms:
            raise fault("This random-effect term has no terms", node, "A random intercept is (1 | g).")
        return [
            RandomTerm(lhs, terms, cluster, node.bar == "||", block, node.span, within)
            for cluster, within in self.clusters(node.cluster)
        ]

    def clusters(self, node: tree.Node) -> list[tuple[str, tuple[str, ...]]]:
        """Each cluster with those above it: ``school/class`` names two, ``school:class`` the second of them alone."""
        match node:
            case tree.Word():
                return [(self.variable(node), ())]
            case tree.Chain(factors, signs) if set(signs) == {"/"}:
                names = self.nested(node, factors)
                return [(name, tuple(names[:depth])) for depth, name in enumerate(names)]
            case tree.Product(factors):
                *above, name = self.nested(node, factors)
                return [(name, tuple(above))]
        remedy = "Write one term per cluster: (1 | a) + (1 | b); for classes in schools (1 | school/class)."
        raise fault("Right of the bar stands a cluster column", node, remedy)

    def nested(self, node: tree.Node, factors: tuple[tree.Node, ...]) -> list[str]:
        """The names of clusters that lie in one another, the widest first."""
        if len(factors) > MOST_LEVELS:
            raise fault(f"More than {MOST_LEVELS} nested clusters", node, "Name the ones that have random effects.")
        names = [self.variable(factor) for factor in factors]
        for factor, name in zip(factors, names):
            if names.count(name) > 1:
                raise fault(f"'{name}' cannot be nested in itself", factor, "Name each cluster column once.")
        return names
