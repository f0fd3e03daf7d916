"""LaTeX: special characters are escaped, and LaTeX accepts what is written."""

import shutil
import subprocess

import pytest
from reports import REPORTS, guatemala, two_groups

from semgllamm.tables.contents import contents
from semgllamm.tables.latex import escape, render
from semgllamm.tables.table import Row, Section, Statement, Table

DOCUMENT = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage{booktabs,longtable}
\begin{document}
%s
\end{document}
"""
HOSTILE = r"a_b & 100% \textbf{x} $y$ #1 ~ ^ { } < > | * θ λ Λ Ω ο Α ς −"


def found(file: str) -> bool:
    """Whether TeX knows the file."""
    program = shutil.which("kpsewhich")
    return program is not None and subprocess.run([program, file], capture_output=True).returncode == 0


needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None or not found("booktabs.sty"), reason="pdflatex with booktabs is not installed"
)


def compile_latex(source: str, folder) -> str:
    (folder / "report.tex").write_text(DOCUMENT % source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert run.returncode == 0, run.stdout[-2000:]
    assert (folder / "report.pdf").stat().st_size > 0
    return run.stdout


@needs_latex
@pytest.mark.parametrize("name", ["two_groups", "random_slope_ci", "not_converged"])
def test_latex_compiles(name, tmp_path):
    compile_latex(render(contents(REPORTS[name]())), tmp_path)


@needs_latex
def test_hostile_names_compile(tmp_path):
    table = Table(HOSTILE, (HOSTILE, "n"), (Section((Row(HOSTILE, (-1.0, HOSTILE), HOSTILE),), HOSTILE),), (HOSTILE,))
    compile_latex(render([Statement(HOSTILE, "problem"), table]), tmp_path)


def test_special_characters_are_escaped():
    assert escape("a_b & 50%") == r"a\_b \& 50\%"
    assert escape("\\") == r"\textbackslash{}"
    assert escape("θ1Λ") == r"$\theta$1$\Lambda$"
    assert escape("é") == "é"


def test_rules_are_booktabs_and_rows_are_complete():
    source = render(contents(two_groups()))
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert rule in source
    assert r"\hline" not in source
    assert source.count(r"\begin{longtable}") == source.count(r"\end{longtable}") > 0
    assert "loading\\_three" in source
    columns = [line for line in source.splitlines() if "u2 (loading" in line]
    assert len(columns) == 2 and all(line.count("&") == 4 for line in columns)


def test_negative_numbers_have_a_minus_sign():
    source = render(contents(guatemala()))
    assert "$-$0.994" in source
    assert "& -" not in source
