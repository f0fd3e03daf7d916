"""What can only be seen when the whole text is read: names with two meanings, families that disagree, group counts."""

from __future__ import annotations

from semgllamm.syntax.directives import twice
from semgllamm.syntax.names import meant, misfit, near

__all__ = ["check"]


def check(draft) -> None:
    """All checks of a finished draft."""
    latents = latent_names(draft)
    once_defined(draft)
    classes_declared(draft)
    families_agree(draft, latents)
    responses_exist(draft)
    defined_once(draft)
    one_group_count(draft)
    single_header(draft)


def latent_names(draft) -> set[str]:
    """Left of ``=~`` or ``<~``, in ``@latent``, in ``rv()``."""
    names = {path.lhs for path in draft.paths.values() if path.op in ("=~", "<~")}
    names |= {path.random_slope for path in draft.paths.values() if path.random_slope}
    return names | {name for declared in draft.latents for name in declared.names}


def once_defined(draft) -> None:
    """A latent variable has one level (under lavaan's headers one in each) and one kind."""
    first: dict[str, object] = {}
    for path in draft.paths.values():
        if path.op not in ("=~", "<~"):
            continue
        earlier = first.setdefault(path.lhs, path)
        if earlier.op != path.op:
            raise twice(draft, f"'{path.lhs}' is defined both by {earlier.op} and by {path.op}", earlier.span, path)
        if not draft.lavaan and earlier.block.level != path.block.level:
            remedy = "A latent variable varies at one level; give the other one a name of its own."
            message = f"The latent variable '{path.lhs}' is defined at two levels"
            raise twice(draft, message, earlier.span, path, remedy)
    declared: dict[str, object] = {}
    for declaration in draft.latents:
        for name in declaration.names:
            if name in declared:
                raise twice(draft, f"The latent variable '{name}' is declared twice", declared[name].span, declaration)
            declared[name] = declaration


def classes_declared(draft) -> None:
    """``@class(c, 1)`` speaks of a class that ``@latent`` declares."""
    declared = {name: latent.classes for latent in draft.latents if latent.kind == "classes" for name in latent.names}
    for name, klass, directive in draft.classes:
        if name not in declared:
            remedy = f"Declare it: @latent({name}, classes(2))"
            if declared:
                remedy = f"{meant(name, declared)} Or declare it: @latent({name}, classes(2))"
            raise misfit(f"'{name}' is not declared as a categorical latent variable", directive, remedy)
        if klass not in declared[name]:
            raise misfit(f"'{name}' has no class '{klass}'", directive, meant(klass, declared[name]))


def families_agree(draft, latents: set[str]) -> None:
    """One family for each response, none for a latent variable (a factor among indicators is passed over)."""
    draft.families = [
        claim for claim in draft.families if claim.through != "=~" or claim.response.name not in latents
    ]
    first: dict[str, object] = {}
    for claim in draft.families:
        name = claim.response.name
        if name in latents:
            remedy = "Give the family to its indicators."
            raise misfit(f"'{name}' is latent and has no family", claim.directive, remedy)
        earlier = first.setdefault(name, claim)
        one, other = earlier.spec, claim.spec
        if (one.name, one.link, one.options) != (other.name, other.link, other.options):
            raise twice(draft, f"Two different families for '{name}'", earlier.directive.span, claim.directive)


def responses_exist(draft) -> None:
    """A directive that names a response names one that is in a statement."""
    mentioned = {name for path in draft.paths.values() for name in (path.lhs, path.rhs)}
    mentioned |= {term.lhs for term in draft.random_terms}
    for claim in draft.families:
        if claim.response.name not in mentioned:
            raise unmentioned(claim.response.name, claim.response, mentioned)
    for part in [*draft.predictors, *draft.columns]:
        name = getattr(part, "response", None) or part.target
        if part.kind not in ("weight", "frequency", "unseen") and name not in mentioned:
            raise unmentioned(name, part, mentioned)


def unmentioned(name: str, node, mentioned):
    found = near(name, sorted(mentioned - {""}))
    remedy = f"Did you mean {found}?" if found else f"Say something of it, at least {name} ~ 1."
    return misfit(f"'{name}' is a response of no statement", node, remedy)


def defined_once(draft) -> None:
    first: dict[str, object] = {}
    for definition in draft.definitions:
        earlier = first.setdefault(definition.name, definition)
        if earlier is not definition:
            raise twice(draft, f"'{definition.name}' is defined twice", earlier.span, definition)


def one_group_count(draft) -> None:
    """All ``c()`` have one length: that of the groups."""
    first = None
    for path in draft.paths.values():
        for kind in ("fixed", "label", "start", "lower", "upper", "equal"):
            entries = getattr(path, kind)
            if entries is None or len(entries) == 1:
                continue
            if first is None:
                first = (len(entries), path)
            elif first[0] != len(entries):
                message = f"c() has {first[0]} entries in one place and {len(entries)} in another"
                raise twice(draft, message, first[1].span, path, "Give every c() one entry per group.")


def single_header(draft) -> None:
    for keyword in ("group", "level", "block"):
        headers = [header for header in draft.headers if header.keyword == keyword]
        if len({header.value for header in headers}) == 1:
            draft.note(f"the text has a single '{keyword}:' block", headers[0])
