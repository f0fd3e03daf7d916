"""What the directives say: ``@level(school)``, ``@family(y, poisson)``, ``@latent(c, classes(3))`` and their kin.

A directive stands alone on a line and names its responses, or ends a statement and speaks of that statement's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from semgllamm.diagram.families import FAMILIES, SYNONYMS
from semgllamm.diagram.parts import AuxiliaryPredictor, Block, ColumnRole, FamilyChoice, FamilySpec, LatentDeclaration
from semgllamm.errors import quote
from semgllamm.syntax import tree
from semgllamm.syntax.arithmetic import constant
from semgllamm.syntax.names import fault, meant, misfit, near

__all__ = ["LINKS", "USAGE", "FamilyClaim", "attach", "line", "settled", "trailing"]

USAGE = {
    "level": "@level(school)",
    "group": "@group(Pasteur)",
    "class": "@class(c, 1)",
    "family": "@family(y1 + y2, bernoulli(logit))",
    "latent": "@latent(c, classes(3)), @latent(eta, npml(4))",
    "dispersion": "@dispersion(y ~ 1 + z)",
    "thresholds": "@thresholds(u ~ x)",
    "inflation": "@inflation(y ~ x)",
    "guessing": "@guessing(u ~ 1)",
    "ceiling": "@ceiling(u ~ 1)",
    "offset": "@offset(y, log_t)",
    "exposure": "@exposure(y, t)",
    "trials": "@trials(y, n)",
    "event": "@event(time, died)",
    "interval": "@interval(y, upper)",
    "weight": "@weight(school, w)",
    "frequency": "@frequency(row, n)",
    "alternatives": "@alternatives(choice, case=id, alternative=alt)",
    "composite": "@composite(y, case=id, weight=w)",
    "unseen": "@unseen(animal)",
}
BLOCKS = ("level", "group", "class")
PREDICTORS = ("dispersion", "thresholds", "inflation", "guessing", "ceiling")
COLUMNS = ("offset", "exposure", "trials", "event", "interval")
CASES = ("alternatives", "composite")
OF_A_RESPONSE = ("family", *PREDICTORS, *COLUMNS, *CASES)

LINKS = ("identity", "reciprocal", "inverse_square", "sqrt", "log", "logit", "probit", "cloglog", "loglog")
# what other programs call these families
ELSEWHERE = {
    "normal": "gaussian",
    "binary": "bernoulli",
    "nominal": "multinomial",
    "categorical": "multinomial",
    "ordered": "ordinal",
    "count": "poisson",
    "negativebinomial": "nbinom2",
    "negative_binomial": "nbinom2",
    "nbinomial": "nbinom2",
    "tobit": "censored",
    "inverse_gaussian": "inversegaussian",
    "wald": "inversegaussian",
    "zip": "zipoisson",
    "zinb": "zinbinom2",
    "zeroinflatedpoisson": "zipoisson",
    "truncated_poisson": "hurdlepoisson",
    "truncated_nbinom1": "hurdlenbinom1",
    "truncated_nbinom2": "hurdlenbinom2",
}


@dataclass(frozen=True, slots=True)
class FamilyClaim:
    """A family as claimed for one response; `through` is the operator of the statement that ends in it."""

    response: tree.Word
    spec: FamilySpec
    directive: tree.Directive
    through: str | None


# ---------------------------------------------------------------------------------------------- where they stand


def line(draft, written: tree.DirectiveLine) -> None:
    """A line that begins with a directive: a header, or directives that name their responses."""
    first, *others = written.directives
    for directive in written.directives:
        known(directive)
    if first.name in BLOCKS:
        for other in others:
            if other.name not in BLOCKS:
                remedy = f"Write @{other.name} first, or give the header a line of its own."
                raise fault(f"A header cannot be followed by @{other.name}", other, remedy)
        draft.block = address(draft, written.directives, Block())
        return
    speaking = [directive for directive in written.directives if directive.name not in BLOCKS]
    block = address(draft, [directive for directive in others if directive.name in BLOCKS], draft.block)
    for directive in speaking:
        speak(draft, directive, None, block, None)


def trailing(draft, written: Sequence[tree.Directive]) -> tuple[Block, list[tree.Directive]]:
    """The address that the directives at the end of a statement give it, and those that speak of its responses."""
    attached = []
    for directive in written:
        known(directive)
        if directive.name in OF_A_RESPONSE:
            attached.append(directive)
        elif directive.name not in BLOCKS:
            raise fault(f"@{directive.name} stands on a line of its own", directive, f"Usage: {USAGE[directive.name]}")
    blocks = [directive for directive in written if directive.name in BLOCKS]
    return address(draft, blocks, draft.block), attached


def attach(draft, written: Iterable[tree.Directive], responses: list[tree.Word], block: Block, op: str) -> None:
    """Directives at the end of a statement, for the responses of that statement."""
    for directive in written:
        speak(draft, directive, responses, block, op)


def known(directive: tree.Directive) -> None:
    if directive.name not in USAGE:
        raise fault(f"Unknown directive @{directive.name}", directive, meant(directive.name, USAGE, "@"))
    if not directive.arguments:
        raise fault(f"@{directive.name} needs arguments", directive, f"Usage: {USAGE[directive.name]}")


def speak(draft, directive: tree.Directive, responses: list[tree.Word] | None, block: Block, op: str | None) -> None:
    name = directive.name
    if name == "family":
        family(draft, directive, responses, op)
    elif name == "latent":
        latent(draft, directive, block)
    elif name in PREDICTORS:
        predictor(draft, directive, responses, block)
    elif name in COLUMNS:
        column(draft, directive, responses, block)
    elif name in CASES:
        cases(draft, directive, responses, block)
    elif name == "unseen":
        unseen(draft, directive, block)
    else:
        weight(draft, directive, block)


def misused(directive: tree.Directive, message: str, node=None):
    return fault(message, node or directive, f"Usage: {USAGE[directive.name]}")


# ---------------------------------------------------------------------------------------------- addresses


def address(draft, written: Iterable[tree.Directive], block: Block) -> Block:
    """`block` with what the directives name put in its place."""
    seen = set()
    for directive in written:
        if draft.lavaan:
            header = next(line for line in draft.lines if isinstance(line, tree.LavaanHeader))
            message = "Two styles of blocks in one text: this one, and lavaan's header"
            remedy = "Write all headers in one style: @level(school), @group(a), or level: 1, group: 1."
            raise misfit(f"{message}\n{quote(draft.text, header.span)}\n  and", directive, remedy)
        if directive.name in seen:
            raise misused(directive, f"Two @{directive.name} on one line")
        seen.add(directive.name)
        arguments = [called(directive, argument) for argument in directive.arguments]
        if len(arguments) != (2 if directive.name == "class" else 1):
            count = "two arguments, a variable and its class" if directive.name == "class" else "one argument"
            raise misused(directive, f"@{directive.name} takes {count}")
        if directive.name == "level":
            block = replace(block, level=None if arguments == ["row"] else arguments[0])
        elif directive.name == "group":
            block = replace(block, group=arguments[0])
        else:
            block = replace(block, klass=(arguments[0], arguments[1]))
            draft.classes.append((arguments[0], arguments[1], directive))
    return block


def called(directive: tree.Directive, node) -> str:
    """A name, a number or a quoted text as an argument."""
    match node:
        case tree.Word(name):
            return name
        case tree.Text(value):
            return value
        case tree.Numeral(_, digits):
            return digits
        case tree.Sum() | tree.Chain() | tree.Product() if directive.name in BLOCKS:
            raise fault("This is no single name", node, "Quote a name that is not plain: @group(\"Grant-White\").")
    raise misused(directive, f"This cannot be an argument of @{directive.name}", node)


# ---------------------------------------------------------------------------------------------- arguments


def words(directive: tree.Directive, node) -> list[tree.Word]:
    """``y1 + y2`` as its names."""
    terms = node.terms if isinstance(node, tree.Sum) and set(node.signs) == {"+"} else (node,)
    for term in terms:
        if not isinstance(term, tree.Word):
            raise misused(directive, f"@{directive.name} starts with the names it speaks of", term)
    return list(terms)


def word(directive: tree.Directive, node, what: str) -> str:
    if not isinstance(node, tree.Word):
        raise misused(directive, f"@{directive.name}: {what} is a column name", node)
    return node.name


def sorted_arguments(directive, keywords: Sequence[str] = ()) -> tuple[list, dict[str, tree.Node]]:
    """Positional arguments, and those with a keyword."""
    positional, named = [], {}
    for argument in directive.arguments:
        if isinstance(argument, tree.Keyword):
            key = argument.name.name
            if key not in keywords:
                remedy = meant(key, keywords) if keywords else f"Usage: {USAGE[directive.name]}"
                raise fault(f"@{directive.name} has no argument '{key}'", argument, remedy)
            named[key] = argument.value
        else:
            positional.append(argument)
    return positional, named


def spoken_of(directive, positional: list, responses: list[tree.Word] | None, rest: int):
    """The responses of a directive and its `rest` other arguments."""
    if responses is not None:
        if len(positional) == rest + 1:
            remedy = f"Leave the response out here, or give the directive its own line: {USAGE[directive.name]}"
            raise fault(f"@{directive.name} at the end of a statement speaks of its responses", directive, remedy)
        if len(positional) != rest:
            raise misused(directive, f"@{directive.name} does not take {len(positional)} arguments here")
        return responses, positional
    if len(positional) == rest:
        remedy = f"For instance {USAGE[directive.name]}. At the end of a statement it speaks of that statement's."
        raise fault(f"@{directive.name} on a line of its own must name its responses", directive, remedy)
    if len(positional) != rest + 1:
        remedy = f"Join several responses with +. Usage: {USAGE[directive.name]}"
        raise fault(f"@{directive.name} does not take {len(positional)} arguments", directive, remedy)
    return words(directive, positional[0]), positional[1:]


# ---------------------------------------------------------------------------------------------- families


def family(draft, directive: tree.Directive, responses, op: str | None) -> None:
    positional, _ = sorted_arguments(directive)
    if len(positional) == 2 and isinstance(positional[0], tree.Word) and isinstance(positional[1], tree.Word):
        first, second = positional[0].name, positional[1].name
        if first in FAMILIES and second in LINKS:
            raise fault("A link stands in parentheses after its family", directive, f"Write {first}({second}).")
        if first in FAMILIES and second not in FAMILIES:
            raise fault("The responses come first, then the family", directive, f"Write @family({second}, {first}).")
    named, [spec] = spoken_of(directive, positional, responses, 1)
    spec = family_spec(spec)
    draft.families += [FamilyClaim(response, spec, directive, op) for response in named]


def family_spec(node) -> FamilySpec:
    """``poisson``, ``bernoulli(probit)``, ``censored(lower=0)``."""
    match node:
        case tree.Word(name):
            arguments: tuple = ()
        case tree.Call(name, arguments):
            pass
        case _:
            raise fault("This is no family", node, f"Known: {', '.join(FAMILIES)}.")
    name = SYNONYMS.get(name, name)
    if name not in FAMILIES:
        if name in LINKS:
            remedy = f"A link stands in parentheses after its family: bernoulli({name})."
            raise fault(f"'{name}' is a link, not a family", node, remedy)
        guess = ELSEWHERE.get(name.lower())
        remedy = f"Did you mean {guess}? Known: {', '.join(FAMILIES)}." if guess else meant(name, FAMILIES)
        raise fault(f"Unknown family '{name}'", node, remedy)
    link, options = None, {}
    for argument in arguments:
        match argument:
            case tree.Word(given) if link is None and not options:
                if given not in LINKS:
                    raise fault(f"Unknown link '{given}'", argument, meant(given, LINKS))
                link = given
            case tree.Keyword(tree.Word(key), value):
                if key not in (options_known := FAMILIES[name].options):
                    remedy = meant(key, options_known) if options_known else f"Write {name} or {name}(link)."
                    raise fault(f"The family {name} has no option '{key}'", argument, remedy)
                options[key] = option(value)
            case _:
                remedy = f"For instance {name}(logit), censored(lower=0)."
                raise fault("A family takes its link and options with names", argument, remedy)
    return FamilySpec(name, link, tuple(options.items()), node.span)


def option(node) -> str | float:
    """A column or category name, or a number."""
    match node:
        case tree.Word(name):
            return name
        case tree.Text(value):
            return value
    return constant(node)


def settled(claims: Iterable[FamilyClaim]) -> list[FamilyChoice]:
    """One choice for each response, in the order of the text."""
    chosen: dict[str, FamilyChoice] = {}
    for claim in claims:
        chosen.setdefault(claim.response.name, FamilyChoice(claim.response.name, claim.spec, claim.directive.span))
    return list(chosen.values())


# ---------------------------------------------------------------------------------------------- latent variables


def latent(draft, directive: tree.Directive, block: Block) -> None:
    positional, named = sorted_arguments(directive, ("known",))
    if len(positional) != 2:
        raise misused(directive, "@latent takes a name and classes(...) or npml(...)")
    variables, what = words(directive, positional[0]), positional[1]
    names = tuple(variable.name for variable in variables)
    known_column = word(directive, named["known"], "known") if "known" in named else None
    match what:
        case tree.Call("classes", arguments) if arguments:
            if len(names) > 1:
                raise misused(directive, "A categorical latent variable is declared by itself", variables[1])
            count, classes = class_names(directive, arguments)
            declared = LatentDeclaration(names, "classes", count, classes, known_column, block, directive.span)
        case tree.Word("npml"):
            declared = LatentDeclaration(names, "npml", None, (), None, block, directive.span)
        case tree.Call("npml", [tree.Numeral() as points]):
            declared = LatentDeclaration(names, "npml", count_of(points), (), None, block, directive.span)
        case tree.Call(kind) | tree.Word(kind) if kind not in ("classes", "npml"):
            message = f"A latent variable is declared with classes() or npml(), not '{kind}'"
            raise fault(message, what, _nearest_kind(kind))
        case _:
            raise misused(directive, "The number of classes or mass points is missing or no number", what)
    if known_column is not None and declared.kind == "npml":
        raise misused(directive, "Only classes can be known", named["known"])
    draft.latents.append(declared)


def _nearest_kind(kind: str) -> str:
    found = near(kind, ("classes", "npml"))
    return f"Did you mean {found}?" if found else f"Usage: {USAGE['latent']}"


def class_names(directive: tree.Directive, arguments) -> tuple[int, tuple[str, ...]]:
    """``classes(3)`` or ``classes(complier, never)``."""
    match arguments:
        case [tree.Numeral() as number]:
            count = count_of(number)
            return count, tuple(str(k) for k in range(1, count + 1))
    names = tuple(called(directive, argument) for argument in arguments)
    if len(set(names)) < len(names):
        raise fault("Two classes have the same name", arguments[-1], "Give each class a name of its own.")
    return len(names), names


def count_of(node: tree.Numeral) -> int:
    if node.value != int(node.value) or not 1 <= node.value <= 1000:
        remedy = "A whole number from 1 to 1000, as in classes(3)"
        raise fault("This is no number of classes or mass points", node, remedy)
    return int(node.value)


# ---------------------------------------------------------------------------------------------- predictors, columns


def predictor(draft, directive: tree.Directive, responses, block: Block) -> None:
    positional, _ = sorted_arguments(directive)
    if responses is None:
        if len(positional) != 1 or not isinstance(positional[0], tree.Formula):
            raise misused(directive, f"@{directive.name} takes one formula")
        responses, right = words(directive, positional[0].left), positional[0].right
    else:
        if len(positional) != 1 or isinstance(positional[0], tree.Formula):
            message = f"At the end of a statement this takes the terms alone, as in @{directive.name}(1 + z)"
            raise misused(directive, message)
        right = positional[0]
    for response in responses:
        for earlier in draft.predictors:
            if (earlier.kind, earlier.response, earlier.block) == (directive.name, response.name, block):
                raise twice(draft, f"Two @{directive.name} for '{response.name}'", earlier.span, directive)
        paths = draft.predictor_paths(response.name, right, block)
        draft.predictors.append(AuxiliaryPredictor(directive.name, response.name, paths, block, directive.span))


def column(draft, directive: tree.Directive, responses, block: Block) -> None:
    positional, _ = sorted_arguments(directive)
    responses, [what] = spoken_of(directive, positional, responses, 1)
    if directive.name == "trials" and isinstance(what, tree.Numeral):
        if what.value != int(what.value) or what.value < 1:
            raise misused(directive, "The number of trials is a whole number", what)
        role = {"number": what.value}
    else:
        role = {"column": word(directive, what, "the last argument")}
    for response in responses:
        put(draft, ColumnRole(directive.name, response.name, block=block, span=directive.span, **role), directive)


def weight(draft, directive: tree.Directive, block: Block) -> None:
    positional, _ = sorted_arguments(directive)
    if len(positional) != 2:
        raise misused(directive, f"@{directive.name} takes a level and a column")
    level, name = (word(directive, argument, "each argument") for argument in positional)
    put(draft, ColumnRole(directive.name, level, name, block=block, span=directive.span), directive)


def cases(draft, directive: tree.Directive, responses, block: Block) -> None:
    """Responses of several rows: ``@alternatives`` and ``@composite``, whose weights may be left out."""
    second = "alternative" if directive.name == "alternatives" else "weight"
    positional, named = sorted_arguments(directive, ("case", second))
    responses, _ = spoken_of(directive, positional, responses, 0)
    if "case" not in named or (second == "alternative" and second not in named):
        needed = "case= and alternative=" if second == "alternative" else "case="
        raise misused(directive, f"@{directive.name} needs {needed}")
    options = tuple((key, word(directive, named[key], key)) for key in ("case", second) if key in named)
    for response in responses:
        role = ColumnRole(directive.name, response.name, options=options, block=block, span=directive.span)
        put(draft, role, directive)


def unseen(draft, directive: tree.Directive, block: Block) -> None:
    positional, _ = sorted_arguments(directive)
    if len(positional) != 1:
        raise misused(directive, "@unseen takes one level")
    level = word(directive, positional[0], "its argument")
    if any(role.kind == "unseen" and role.target != level for role in draft.columns):
        earlier = next(role for role in draft.columns if role.kind == "unseen")
        raise twice(draft, "Two different @unseen", earlier.span, directive)
    put(draft, ColumnRole("unseen", level, block=block, span=directive.span), directive)


def put(draft, role: ColumnRole, directive: tree.Directive) -> None:
    """Keep a role; the same one twice is one, two different ones are an error."""
    for earlier in draft.columns:
        if (earlier.kind, earlier.target, earlier.block) == (role.kind, role.target, role.block):
            if replace(earlier, span=None) == replace(role, span=None):
                return
            raise twice(draft, f"Two different @{role.kind} for '{role.target}'", earlier.span, directive)
    draft.columns.append(role)


def twice(draft, message: str, earlier, node, remedy: str = "Keep one of them."):
    """The error for something said in two places; both are quoted."""
    return misfit(f"{message}; the first:\n{quote(draft.text, earlier)}\n  the second:", node, remedy)
