"""Printed summaries: as lavaan prints them, and as they were."""

from dataclasses import replace
from pathlib import Path

import pytest
from reports import LAVAAN, REPORTS, covariances, fixed, guatemala, holzinger, two_level

from semgllamm.tables.contents import brief, contents
from semgllamm.tables.text import render

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", REPORTS)
def test_prints_as_before(name):
    assert render(contents(REPORTS[name]())) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_every_golden_file_has_its_report():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(REPORTS)


def sections(printed: str, start: str) -> list[list[str]]:
    """The sections of parameters, line by line.

    Left out are the means of latent variables at zero, which lavaan 0.6-14 prints and its later versions do not. Column
    names are compared without their blanks: over numbers that need a wider column lavaan does not right-justify them.
    """
    found = []
    for part in printed[printed.index(start) :].split("\n\n"):
        lines = [line.rstrip() for line in part.strip("\n").splitlines()]
        if lines and lines[0] == "Intercepts:":
            lines = [line for line in lines if set(line.split()[1:]) != {"0.000"}]
        if len(lines) > 1:
            lines[1] = " ".join(lines[1].split())
        if lines and lines != ["Intercepts:", "Estimate Std.Err z-value P(>|z|)"]:
            found.append(lines)
    return found


@pytest.mark.parametrize(
    ("name", "report", "start"),
    [
        ("hs1939", lambda: holzinger(ci=True), "Latent Variables:"),
        ("twolevel", two_level, "Level 1 [within]:"),
        ("covariances", covariances, "Latent Variables:"),
    ],
)
def test_sections_are_lavaans_line_by_line(name, report, start):
    assert sections(render(contents(report())), start) == sections((LAVAAN / f"{name}.txt").read_text(), start)


def test_header_stands_in_lavaans_columns():
    lavaan = (LAVAAN / "hs1939.txt").read_text().splitlines()
    ours = render(contents(holzinger())).splitlines()
    for start in ("  Estimator", "  Number of observations", "  Standard errors", "  Information"):
        theirs = next(line for line in lavaan if line.startswith(start))
        assert next(line for line in ours if line.startswith(start)) == theirs


@pytest.mark.parametrize("name", ["not_converged", "singular", "failed_without_words"])
def test_a_failed_fit_says_so_first_and_shows_no_standard_errors(name):
    report = REPORTS[name]()
    for blocks in (contents(report), brief(report)):
        printed = render(blocks)
        assert printed.startswith("** ")
        assert printed.index("** ") < printed.index("semgllamm 0.1.0")
        assert "Standard errors are withheld" in printed
        for row in report.parameters:
            if row.free:
                shown = [line for line in printed.splitlines() if f" {row.est:.3f}" in line]
                assert shown and all(f" {row.se:.3f}" not in line.split(f"{row.est:.3f}", 1)[1] for line in shown)


def test_a_parameter_on_the_boundary_has_no_test():
    rows = guatemala().parameters
    report = replace(guatemala(), parameters=(*rows[:-1], replace(rows[-1], boundary=True)))
    line = next(line for line in render(contents(report)).splitlines() if "comm.intercept" in line and "1.050" in line)
    assert line.split() == ["comm.intercept", "1.050", "0.299", "1.025"]


def test_no_line_is_wider_than_a_terminal_or_ends_in_a_blank():
    for report in REPORTS.values():
        for line in render(contents(report())).splitlines():
            assert len(line) <= 80
            assert line == line.rstrip()


@pytest.mark.parametrize("path", [("mom.intercept", "=~", "immun"), ("immun", "~", "mom.intercept")])
def test_fixed_paths_of_random_terms_are_not_printed(path):
    row = fixed(*path, 1.0, source="random")
    with_path = replace(guatemala(), parameters=(*guatemala().parameters, row))
    assert render(contents(with_path)) == render(contents(guatemala()))
    written_by_the_user = replace(with_path, parameters=(*guatemala().parameters, replace(row, source="user")))
    assert render(contents(written_by_the_user)) != render(contents(guatemala()))


def test_a_level_whose_units_were_not_counted_is_printed_too():
    printed = render(contents(replace(guatemala(), units=(("row", 2159), ("mom", 1595)))))
    assert "Level comm:" in printed and "comm.intercept" in printed


def test_brief_tells_less():
    short, full = render(brief(guatemala())), render(contents(guatemala()))
    assert len(short) < len(full)
    assert "kid2p" in short and "Integration:" not in short
