"""The command line: ``semgllamm fit``, ``semgllamm demo``, ``semgllamm explain``."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

from semgllamm.errors import EstimationError, ModelError, SemgllammError, SemgllammWarning

__all__ = ["main"]

CONVERGED, NOT_CONVERGED, REFUSED, INTERRUPTED = 0, 1, 2, 130

DEMO_DATA = "guatemala"
DEMO = """\
# Rodríguez & Goldman (2001): complete immunisation of children of mothers in communities of Guatemala
immun ~ 1 + kid2p + mom25p + ord23 + ord46 + ord7p + indNoSpa + indSpa +
        momEdPri + momEdSec + husEdPri + husEdSec + husEdDK + momWork +
        rural + pcInd81 + (1 | comm/mom)          @family(bernoulli(logit))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the answer is the exit status: 0, 1 for a fit without convergence, 2 for a refusal."""
    options = parser().parse_args(arguments)
    warnings.simplefilter("ignore", SemgllammWarning)  # the summary prints them
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Greek letters shows question marks
    try:
        status = options.run(options)
        sys.stdout.flush()
        return status
    except SemgllammError as error:
        print(f"semgllamm: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("semgllamm: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, head perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CONVERGED


# ---- the commands


def fit(options: argparse.Namespace) -> int:
    import semgllamm
    from semgllamm.data.files import read_table

    text = read_model(options.model)
    result = semgllamm.fit(text, read_table(options.data), quadrature=quadrature(options.quadrature), **common(options))
    return show(result, options)


def demo(options: argparse.Namespace) -> int:
    import semgllamm

    data = semgllamm.load_dataset(DEMO_DATA)
    print(f'data = semgllamm.load_dataset("{DEMO_DATA}")\n\n{DEMO}', flush=True)
    return show(semgllamm.fit(DEMO, data), options)


def explain(options: argparse.Namespace) -> int:
    import semgllamm
    from semgllamm.data.files import read_table

    text = read_model(options.model)
    data = None if options.data is None else read_table(options.data)
    printed = semgllamm.explain(text, data, stage=options.stage, latex=options.latex, **common(options))
    print(printed.rstrip("\n"))
    return CONVERGED


def show(result, options: argparse.Namespace) -> int:
    """Print the summary and write it where it is wanted."""
    summary = result.summary(ci=options.ci, eform=options.eform)
    print(summary, end="")
    if options.latex:
        write(options.latex, summary.to_latex())
    if options.html:
        write(options.html, summary.to_html())
    if options.save:
        result.save(options.save)
    return CONVERGED if result.converged else NOT_CONVERGED


# ---- what the user typed


def read_model(place: str) -> str:
    """The model text in a file, or on standard input if `place` is ``-``."""
    try:
        return sys.stdin.read() if place == "-" else Path(place).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"the model '{place}' is not a UTF-8 text", remedy="MODEL comes before DATA.") from None
    except OSError as failure:
        remedy = "Write the model text to a file, or pass it on standard input with '-'." if "~" in place else None
        reason = f"there is no model file '{place}'" if isinstance(failure, FileNotFoundError) else None
        reason = reason or f"the model file '{place}' cannot be read: {failure.strerror}"
        raise ModelError(reason, remedy=remedy) from None


def common(options: argparse.Namespace) -> dict[str, object]:
    """The arguments that `fit` and `explain` share, where given."""
    chosen = {"group": options.group, "cluster": split(options.cluster), "family": families(options.family)}
    return {name: value for name, value in chosen.items() if value}


def split(names: list[str]) -> list[str]:
    return [name.strip() for listed in names for name in listed.split(",") if name.strip()]


def families(given: list[str]) -> str | dict[str, str] | None:
    """``poisson`` for all responses, or ``y=poisson`` for one."""
    named = dict(pair.groups() for word in given if (pair := re.fullmatch(r"([^=(]+)=(.+)", word)))
    if not named:
        if len(given) > 1:
            raise ModelError("several families are given", remedy="Say whose: --family y1=poisson --family y2=gamma.")
        return given[0] if given else None
    if len(named) < len(given):
        raise ModelError("a family lacks its response", remedy="Write --family y=poisson for each, each response once.")
    return named


def quadrature(word: str):
    """``auto``, ``laplace``, a number of points, or ``level=points,...``."""
    from semgllamm.estimation.settings import Adaptive

    if word in ("auto", "laplace"):
        return word
    pairs = [part.partition("=") for part in word.split(",")]
    try:
        if len(pairs) == 1 and not pairs[0][1]:
            return Adaptive(points=int(word))
        return Adaptive(points={level.strip(): int(points) for level, _, points in pairs})
    except ValueError:
        raise EstimationError(
            f"--quadrature {word} cannot be read", remedy="Write auto, laplace, 15, or school=7,class=15."
        ) from None


def write(place: str, text: str) -> None:
    try:
        Path(place).write_text(text, encoding="utf-8")
    except OSError as failure:
        raise SemgllammError(f"'{place}' cannot be written: {failure.strerror}") from None


def parser() -> argparse.ArgumentParser:
    """Everything that can be typed."""
    top = argparse.ArgumentParser(
        prog="semgllamm", description="Generalized linear latent and mixed models from a lavaan-style model string."
    )
    top.add_argument("--version", action=Version, nargs=0, help="print the version")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser(
        "fit",
        help="fit a model and print its tables",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=dedent("""\
            exit status: 0 the fit converged, 1 it did not, 2 the model or the data were refused

            example: semgllamm fit model.sem data.csv --quadrature class=15,school=7 --latex tables.tex"""),
    )
    one.add_argument("model", metavar="MODEL", help="file with the model text; - reads standard input")
    one.add_argument("data", metavar="DATA", help="file of comma-separated values, with column names in its first line")
    add_common(one)
    one.add_argument(
        "--quadrature", default="auto", metavar="RULE", help="auto, laplace, points, or level=points,... (default auto)"
    )
    add_output(one)
    one.set_defaults(run=fit)

    two = commands.add_parser("demo", help="fit a three-level model to the embedded Guatemala data")
    add_output(two)
    two.set_defaults(run=demo)

    three = commands.add_parser("explain", help="print a stage of the walk from model text to likelihood")
    three.add_argument("model", metavar="MODEL", help="file with the model text; - reads standard input")
    three.add_argument("data", metavar="DATA", nargs="?", help="file of comma-separated values")
    three.add_argument("--stage", choices=("diagram", "matrices", "tree"), default="diagram")
    three.add_argument("--latex", action="store_true", help="matrices in LaTeX")
    add_common(three)
    three.set_defaults(run=explain)
    return top


def add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--group", metavar="COLUMN", help="column of groups")
    command.add_argument("--cluster", metavar="COLUMNS", action="append", default=[], help="clusters, lowest first")
    command.add_argument(
        "--family", metavar="FAMILY", action="append", default=[], help="for all responses, or y=FAMILY for one"
    )


def add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--ci", action="store_true", help="print confidence limits")
    command.add_argument("--eform", action="store_true", help="print odds ratios, rate ratios, ...")
    command.add_argument("--latex", metavar="OUT", help="write the tables as LaTeX")
    command.add_argument("--html", metavar="OUT", help="write the tables as HTML")
    command.add_argument("--save", metavar="OUT", help="write the fit to a file that semgllamm.load() reads")


class Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser, *_):
        from importlib.metadata import version

        print(f"semgllamm {version('semgllamm')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
