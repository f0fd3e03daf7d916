"""The command line: what it prints, where, and with which exit status."""

import io
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import semgllamm
from semgllamm.cli import main
from semgllamm.estimation.settings import Adaptive
from semgllamm.tables.summary import Summary
from semgllamm.tables.table import Statement

MODEL = "y ~ 1 + x + (1 | school)"


@pytest.fixture
def files(tmp_path):
    """A model file and a data file of 20 schools with 6 pupils each."""
    rng = np.random.default_rng(1)
    school = np.repeat(np.arange(20), 6)
    x = rng.normal(size=120)
    y = 1 + 0.5 * x + rng.normal(size=20)[school] + rng.normal(size=120)
    pd.DataFrame({"y": y, "x": x, "school": school}).to_csv(tmp_path / "data.csv", index=False)
    (tmp_path / "model.sem").write_text(MODEL)
    return tmp_path


@dataclass
class Result:
    """A fit as far as the command line is concerned."""

    converged: bool = True

    def summary(self, ci=False, eform=False):
        return Summary((Statement(f"confidence limits: {ci}"),))


@pytest.fixture
def called(monkeypatch):
    """The arguments with which `semgllamm.fit` was called, instead of a fit."""
    calls = []

    def fit(*arguments, **options):
        calls.append((arguments, options))
        return Result()

    monkeypatch.setattr(semgllamm, "fit", fit, raising=False)
    return calls


def run(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def refusal(capsys, *arguments) -> str:
    """Standard error of a command that is refused."""
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("semgllamm: ") and "Traceback" not in err
    return err


# ---- with the engine


def test_a_fit_is_saved(files, capsys):
    assert run("fit", files / "model.sem", files / "data.csv", "--save", files / "fit.sg") == 0
    assert str(semgllamm.load(files / "fit.sg").summary()) == capsys.readouterr().out


def test_a_fit_that_cannot_be_saved_is_refused(files, capsys):
    assert run("fit", files / "model.sem", files / "data.csv", "--save", files / "no" / "fit.sg") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_odds_ratios_are_printed(files, capsys):
    (files / "binary.sem").write_text("z ~ 1 + x  @family(bernoulli(logit))")
    data = pd.read_csv(files / "data.csv")
    data.assign(z=1 * (data["y"] > 1)).to_csv(files / "binary.csv", index=False)
    assert run("fit", files / "binary.sem", files / "binary.csv", "--eform") == 0
    assert "Odds Ratios:" in capsys.readouterr().out


def test_fit_prints_and_writes_the_summary(files, capsys):
    status = run(
        "fit", files / "model.sem", files / "data.csv", "--latex", files / "t.tex", "--html", files / "t.html", "--ci"
    )
    printed = capsys.readouterr().out
    assert status == 0
    assert "ended normally" in printed and "Regressions:" in printed and "ci.lower" in printed
    assert "\\toprule" in (files / "t.tex").read_text()
    assert "<caption>" in (files / "t.html").read_text()


def test_model_from_standard_input(files, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(MODEL))
    assert run("fit", "-", files / "data.csv") == 0
    assert "Level school (20 units)" in capsys.readouterr().out


def test_demo_prints_model_and_maximum(capsys):
    assert run("demo") == 0
    printed = capsys.readouterr().out
    assert printed.index("(1 | comm/mom)") < printed.index("ended normally")
    assert "-1323.952" in printed
    assert "Level comm (161 units):" in printed


@pytest.mark.parametrize("stage", ["diagram", "matrices", "tree"])
def test_explain_prints_a_stage_with_and_without_data(files, capsys, stage):
    assert run("explain", files / "model.sem", "--stage", stage) == 0
    without = capsys.readouterr().out
    assert run("explain", files / "model.sem", files / "data.csv", "--stage", stage) == 0
    assert without.strip() and capsys.readouterr().out.strip()


def test_a_broken_model_is_quoted_with_a_caret(files, capsys):
    (files / "broken.sem").write_text("f =~ y +\ny ~ ~ x\n")
    message = refusal(capsys, "fit", files / "broken.sem", files / "data.csv")
    assert "y ~ ~ x" in message and "^" in message


def test_an_unknown_column_is_refused(files, capsys):
    (files / "model.sem").write_text("y ~ 1 + shoool")
    assert "shoool" in refusal(capsys, "fit", files / "model.sem", files / "data.csv")


def test_a_model_of_a_megabyte_is_refused_in_few_words(files, capsys):
    (files / "model.sem").write_text("y ~ x\n" * 180_000)
    assert len(refusal(capsys, "fit", files / "model.sem", files / "data.csv")) < 1000


# ---- files


def test_missing_files_are_named(files, capsys):
    assert "no model file" in refusal(capsys, "fit", files / "none.sem", files / "data.csv")
    assert "no data file" in refusal(capsys, "fit", files / "model.sem", files / "none.csv")
    assert "cannot be read" in refusal(capsys, "fit", files, files / "data.csv")
    assert "cannot be read" in refusal(capsys, "fit", files / "model.sem", files)


def test_a_model_typed_instead_of_a_file_gets_advice(files, capsys):
    assert "standard input" in refusal(capsys, "fit", "y ~ x", files / "data.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"y,x,school\n", "has no rows"),
        (b"y,x,school\n1,2,3\n1,2,3,4,5\n", "cannot be read as a table"),
        (b"y;x;school\n1;2;3\n", "semicolons"),
        (b"y,x\n\xff\xfe\x00,1\n", "not UTF-8"),
    ],
)
def test_data_that_are_no_table_are_refused(files, capsys, content, message):
    (files / "data.csv").write_bytes(content)
    assert message in refusal(capsys, "fit", files / "model.sem", files / "data.csv")


def test_a_model_that_is_no_text_is_refused(files, capsys):
    (files / "model.sem").write_bytes(b"\xff\xfe\x00\x01")
    assert "UTF-8" in refusal(capsys, "fit", files / "model.sem", files / "data.csv")


def test_tab_separated_values(files, called):
    (files / "data.tsv").write_text("y\tx\tschool\n1\t2\t3\n")
    assert run("fit", files / "model.sem", files / "data.tsv") == 0
    assert list(called[0][0][1].columns) == ["y", "x", "school"]


def test_an_output_that_cannot_be_written_is_named(files, called, capsys):
    assert run("fit", files / "model.sem", files / "data.csv", "--latex", files / "no" / "t.tex") == 2
    assert "cannot be written" in capsys.readouterr().err


# ---- what is handed on


@pytest.mark.parametrize(
    ("word", "rule"),
    [
        ("auto", "auto"),
        ("laplace", "laplace"),
        ("15", Adaptive(points=15)),
        ("class=15,school=7", Adaptive(points={"class": 15, "school": 7})),
    ],
)
def test_quadrature(files, called, word, rule):
    assert run("fit", files / "model.sem", files / "data.csv", "--quadrature", word) == 0
    assert called[0][1] == {"quadrature": rule}


@pytest.mark.parametrize("word", ["some", "class=x", "class", "1,2", ""])
def test_quadrature_that_cannot_be_read(files, called, capsys, word):
    assert "--quadrature" in refusal(capsys, "fit", files / "model.sem", files / "data.csv", "--quadrature", word)


@pytest.mark.parametrize(
    ("given", "family"),
    [
        (["poisson"], "poisson"),
        (["censored(lower=0)"], "censored(lower=0)"),
        (["y=poisson", "z=censored(lower=0)"], {"y": "poisson", "z": "censored(lower=0)"}),
    ],
)
def test_family(files, called, given, family):
    flags = [word for one in given for word in ("--family", one)]
    assert run("fit", files / "model.sem", files / "data.csv", *flags) == 0
    assert called[0][1]["family"] == family


@pytest.mark.parametrize("given", [["poisson", "gamma"], ["y=poisson", "gamma"], ["y=poisson", "y=gamma"]])
def test_families_that_contradict_are_refused(files, called, capsys, given):
    flags = [word for one in given for word in ("--family", one)]
    assert "famil" in refusal(capsys, "fit", files / "model.sem", files / "data.csv", *flags)


def test_group_and_clusters(files, called):
    run("fit", files / "model.sem", files / "data.csv", "--group", "sex", "--cluster", "class,school")
    assert called[0][1] == {"quadrature": "auto", "group": "sex", "cluster": ["class", "school"]}


# ---- exit status and start


def test_a_fit_without_convergence_is_printed_and_exits_with_1(files, monkeypatch, capsys):
    monkeypatch.setattr(semgllamm, "fit", lambda *_, **__: Result(converged=False), raising=False)
    assert run("fit", files / "model.sem", files / "data.csv") == 1
    assert "confidence limits" in capsys.readouterr().out


def test_an_interrupt_is_no_traceback(files, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(semgllamm, "fit", interrupted, raising=False)
    assert run("fit", files / "model.sem", files / "data.csv") == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["fit"], ["fit", "model.sem"], ["explain", "m", "--stage", "some"]])
def test_a_wrong_command_shows_its_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: semgllamm" in capsys.readouterr().err


def test_help_and_version_need_no_engine():
    code = (
        "import sys; from semgllamm.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'numba', 'scipy', 'pandas', 'numpy', 'lark'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "fit" in done.stdout and "demo" in done.stdout and "explain" in done.stdout
