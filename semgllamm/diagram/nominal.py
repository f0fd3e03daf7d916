"""Nominal responses: an answer u among categories has a linear predictor for each but the reference, u[bus], u[train].

What is said of u is said of each of them: ``u ~ x`` is ``u[bus] ~ x`` and ``u[train] ~ x``, a label makes the equations
equal, and a factor has a loading for each. A random term of u is one for each, all of which covary: the likelihood does
not depend on which category is the reference. In long form (@alternatives) a response has a row for each alternative,
and one linear predictor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from semgllamm.diagram.diagram import PathDiagram
from semgllamm.diagram.parts import FamilyChoice, FamilySpec, Path, RandomTerm
from semgllamm.errors import ModelError

__all__ = ["alternatives_of", "answer_of", "by_category", "category_name", "families_of_choices", "in_long_form",
           "in_wide_form"]  # fmt: skip


def category_name(response: str, category: str) -> str:
    """The linear predictor of a category, as it is called in names of parameters."""
    return f"{response}[{category}]"


def answer_of(name: str, answers: Sequence[str]) -> str | None:
    """The answer to which ``u[bus]`` belongs, None for other names."""
    base, bracket, _ = name.partition("[")
    return base if bracket and name.endswith("]") and base in answers else None


def alternatives_of(diagram: PathDiagram, response: str):
    """The @alternatives of a response, None if it has none."""
    return next((role for role in diagram.columns if (role.kind, role.target) == ("alternatives", response)), None)


def in_wide_form(diagram: PathDiagram) -> tuple[str, ...]:
    """Nominal responses of which a column holds the category."""
    return tuple(
        choice.response for choice in diagram.families
        if choice.family.name == "multinomial" and alternatives_of(diagram, choice.response) is None
    )  # fmt: skip


def by_category(diagram: PathDiagram, categories: Mapping[str, Sequence[str]]) -> PathDiagram:
    """The diagram with each nominal response in wide form as its linear predictors.

    Parameters
    ----------
    diagram : PathDiagram
        With its families settled, before completion.
    categories : mapping of str to sequence of str
        Those of each nominal response, the reference first.

    Raises
    ------
    ModelError
        For a category that is not there, and where a nominal response stands that has no meaning.
    """
    if not categories:
        return diagram
    names = {name: [category_name(name, c) for c in found[1:]] for name, found in categories.items()}
    _check(diagram, categories, names)
    paths = []
    for (side, op), together in groupby(diagram.paths, key=lambda path: (path.lhs, path.op)):
        if op == "=~":
            paths += [replace(path, rhs=name) for path in together for name in names.get(path.rhs, (path.rhs,))]
        else:
            written = tuple(together)
            paths += [replace(path, lhs=name) for name in names.get(side, (side,)) for path in written]
    terms = [
        replace(term, lhs=name, answer=term.lhs if term.lhs in names else "")
        for term in diagram.random_terms for name in names.get(term.lhs, (term.lhs,))
    ]  # fmt: skip
    families = [
        replace(choice, response=name)
        for choice in diagram.families for name in names.get(choice.response, (choice.response,))
    ]  # fmt: skip
    return replace(diagram, paths=tuple(paths), random_terms=tuple(terms), families=tuple(families))


def _check(diagram: PathDiagram, categories, names) -> None:
    for place in (*diagram.paths, *diagram.random_terms):
        for side in _sides(place):
            answer = answer_of(side, tuple(names))
            if answer is not None and side not in names[answer]:
                reference = category_name(answer, categories[answer][0])
                message = f"'{side}' is the reference" if side == reference else f"'{answer}' has no category '{side}'"
                remedy = f"Its linear predictors: {', '.join(names[answer])}."
                raise ModelError(message, text=diagram.text, span=place.span, remedy=remedy)
        if isinstance(place, Path) and place.op == "~~" and set(_sides(place)) & names.keys():
            remedy = "For variation over units write a random term, u ~ (1 | school), or a factor."
            message = f"{place.lhs} ~~ {place.rhs} of a nominal response has no meaning"
            raise ModelError(message, text=diagram.text, span=place.span, remedy=remedy)
        if isinstance(place, Path) and place.op in ("~", "<~"):
            for name in place.rhs.split(":"):
                if name in names:
                    message = f"the nominal response '{name}' cannot be a cause: it has no value"
                    remedy = "Use dummy variables of it, or what causes it."
                    raise ModelError(message, text=diagram.text, span=place.span, remedy=remedy)
    for role in diagram.columns:
        if role.target in names:
            message = f"@{role.kind} of the nominal response '{role.target}' is the same for all categories"
            remedy = f"Name the linear predictor in backticks: @{role.kind}(`{names[role.target][0]}`, ...)."
            raise ModelError(message, text=diagram.text, span=role.span, remedy=remedy)


def _sides(place: Path | RandomTerm) -> tuple[str, ...]:
    return (place.lhs, place.rhs) if isinstance(place, Path) else (place.lhs,)


def families_of_choices(diagram: PathDiagram) -> PathDiagram:
    """The diagram in which responses with @alternatives are nominal, if nothing else is said.

    Raises
    ------
    ModelError
        If they are something else, or a ranking has no @alternatives.
    """
    families = list(diagram.families)
    for role in diagram.columns:
        if role.kind != "alternatives":
            continue
        chosen = diagram.family_of(role.target)
        if chosen is None:
            families.append(FamilyChoice(role.target, FamilySpec("multinomial", "logit"), role.span))
        elif chosen.name not in ("multinomial", "ranking"):
            message = f"'{role.target}' has @alternatives and the family {chosen.name}"
            raise ModelError(message, text=diagram.text, span=role.span, remedy="Its family is multinomial or ranking.")
    for choice in families:
        if choice.family.name == "ranking" and alternatives_of(diagram, choice.response) is None:
            remedy = f"Write @alternatives({choice.response}, case=id, alternative=alt), a row for each alternative."
            message = f"the ranking '{choice.response}' has no @alternatives"
            raise ModelError(message, text=diagram.text, span=choice.span or choice.family.span, remedy=remedy)
    return replace(diagram, families=tuple(families))


def in_long_form(diagram: PathDiagram) -> frozenset[str]:
    """Responses with a row for each alternative: an intercept would be the same for all of them."""
    return frozenset(role.target for role in diagram.columns if role.kind == "alternatives")
