"""Fits that were saved and loaded: what they print, predict, draw and test, and files that are no fits."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semgllamm as sg
from semgllamm.data.stored import stored_frame, table_of
from semgllamm.errors import DataError, ModelError, SemgllammError

CHOICES = Path(__file__).parents[1] / "reference" / "choices"
BINARY = "@family(bernoulli(logit))"


def factors():
    return sg.cfa("visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6", sg.load_dataset("holzinger"), estimator="MLR")


def groups():
    data = sg.load_dataset("holzinger")
    return sg.cfa("visual =~ x1 + x2 + x3", data, group="school", group_label=["Pasteur", "Grant-White"],
                  group_equal=["loadings"])  # fmt: skip


def incomplete():
    data = sg.load_dataset("holzinger")
    data.loc[::7, "x2"] = np.nan
    text = "visual =~ x1 + a*x2 + b*x3\nvisual ~ ageyr\nratio := a / b"
    return sg.sem(text, data, missing="ml", constraints="a > 0.8; b == a^2")


def moments():
    data = sg.load_dataset("holzinger")
    frames = {school: rows[["x1", "x2", "x3"]] for school, rows in data.groupby("school")}
    return sg.cfa(
        "visual =~ x1 + x2 + x3", sample_cov={name: rows.cov() for name, rows in frames.items()},
        sample_mean={name: rows.mean() for name, rows in frames.items()},
        sample_nobs={name: len(rows) for name, rows in frames.items()},
    )  # fmt: skip


def least_squares():
    return sg.cfa("visual =~ x1 + x2 + x3\nspeed =~ x7 + x8 + x9", sg.load_dataset("holzinger"), estimator="WLSM")


def nested():
    return sg.fit("Reaction ~ 1 + Days + (1 + Days | Subject)", sg.load_dataset("sleepstudy"))


def levels():
    text = "level: 1\nfw =~ y1 + y2 + y3\nfw ~ x1\nlevel: 2\nfb =~ y1 + y2 + y3"
    return sg.sem(text, sg.load_dataset("demo_twolevel").iloc[:600], cluster="cluster")


def engine():
    data = sg.load_dataset("cbpp").assign(unused=1.0)
    data.index = pd.MultiIndex.from_arrays([data["herd"].to_numpy(), np.arange(len(data))], names=["farm", None])
    text = "incidence ~ 1 + period + (1 | herd)  @family(binomial(logit)) @trials(size)"
    return sg.fit(text, data, start={"incidence~1": -1.0}, settings=sg.Settings(target=1e-4))


def few_points():
    return sg.fit(f"incidence ~ 1 + (1 | herd) {BINARY}",
                  sg.load_dataset("cbpp").assign(incidence=lambda d: 1 * (d["incidence"] > 0)),
                  quadrature=sg.Adaptive(points={"herd": 5}), se="robust")  # fmt: skip


def grid():
    return sg.fit(f"theta =~ y1 + y2 + y3 + y4 + y5 {BINARY}", sg.load_dataset("lsat6"), std_lv=True)


def words():
    """Categories by name, among them one of a factor's items that are ordered."""
    rng = np.random.default_rng(4)
    f = rng.normal(size=200)
    answers = np.digitize(f[:, None] + rng.normal(size=(200, 3)), [-0.5, 0.7])
    data = pd.DataFrame(np.array(["no", "so", "yes"])[answers], columns=["u1", "u2", "u3"])
    data = data.apply(lambda u: pd.Categorical(u, ["no", "so", "yes"], ordered=True))
    data.loc[::9, "u2"] = np.nan
    data["place"] = rng.choice(["town", "country"], 200)
    return sg.fit("f =~ u1 + u2 + u3\nf ~ place", data, ordered=["u1", "u2", "u3"])


def wide_answers():
    data = sg.load_dataset("lsat6").iloc[:600]
    return data.assign(u1=data["y1"], u2=data["y2"], u3=data["y3"], u4=data["y4"])


def classes():
    return sg.fit(f"@latent(c, classes(2))\nc =~ u1 + u2 + u3 + u4 {BINARY}", wide_answers(), n_starts=3)


def masses():
    text = f"f =~ 1*y2 + 1*y3 + 1*y4 {BINARY}\n@latent(f, npml)"
    return sg.fit(text, sg.load_dataset("lsat6"), n_starts=3)


def choices():
    case = json.loads((CHOICES / "values.json").read_text(encoding="utf-8"))
    case = next(case for case in case.values() if "@alternatives" in case["text"])
    return sg.fit(case["text"], pd.read_csv(CHOICES / case["data"]))


FITS = (factors, groups, incomplete, moments, least_squares, nested, levels, engine, few_points, grid, words, classes,
        masses, choices)  # fmt: skip


def answer(call, *arguments):
    """What a call returns, or what it refuses."""
    try:
        return call(*arguments)
    except SemgllammError as refusal:
        return str(refusal)


def same(first, second):
    if isinstance(first, str) or isinstance(second, str):
        assert first == second
    else:
        # modes of posteriors are found again, to rounding
        pd.testing.assert_frame_equal(first, second, rtol=1e-7, atol=1e-9)


@pytest.fixture(scope="module", params=FITS, ids=lambda make: make.__name__)
def pair(request, tmp_path_factory):
    """A fit, and the same after a way through a file."""
    fit = request.param()
    path = tmp_path_factory.mktemp("saved") / "fit.sg"
    fit.save(path)
    return fit, sg.load(path)


def test_what_is_printed(pair):
    fit, again = pair
    assert fit.converged
    assert str(again.summary(ci=True)) == str(fit.summary(ci=True))
    assert repr(again) == repr(fit)
    assert again.convergence == fit.convergence or np.isnan(fit.convergence.loglik)


def test_what_is_estimated(pair):
    fit, again = pair
    assert np.array_equal(again.free, fit.free)
    assert again.points == fit.points and again.boundary == fit.boundary and again.npar == fit.npar
    pd.testing.assert_frame_equal(again.parameters, fit.parameters, rtol=0, atol=0)
    for kind in (None, "observed", "sandwich"):
        same(answer(again.vcov, kind), answer(fit.vcov, kind))
    pd.testing.assert_frame_equal(again.constraints, fit.constraints)


def test_what_is_predicted_and_drawn(pair):
    fit, again = pair
    for question in (
        lambda one: one.predict(), lambda one: one.predict(kind="mean", se=True), lambda one: one.latent(),
        lambda one: one.class_probabilities(),
    ):  # fmt: skip
        same(answer(question, again), answer(question, fit))
    first, second = (answer(one.simulate, None, 3) for one in (again, fit))
    if not isinstance(second, str):
        second = second[list(first.columns)]
    same(first, second)


def test_tests_and_measures(pair):
    fit, again = pair
    same(answer(lambda: again.fit_measures().to_frame()), answer(lambda: fit.fit_measures().to_frame()))
    first, second = again.test, fit.test
    assert (first is None) == (second is None)
    if first is not None:
        assert (first.statistic, first.df) == (second.statistic, second.df)


def test_the_likelihood_is_at_its_maximum(pair):
    fit, again = pair
    value, score = again.likelihood.score(again.free, again.points)
    if fit.request.objective == "ML":
        assert value == pytest.approx(fit.loglik, abs=1e-7)
    if fit._restricted is None:
        known = ~np.isnan(np.diag(fit._vcov_free))
        assert np.all(np.abs(score[known]) * np.sqrt(np.diag(fit._vcov_free)[known]) < 1e-4)


def test_a_loaded_fit_is_saved_and_loaded_again(tmp_path):
    fit = engine()
    fit.save(tmp_path / "one")
    sg.load(tmp_path / "one").save(tmp_path / "two")
    again = sg.load(tmp_path / "two")
    assert str(again.summary()) == str(fit.summary())
    assert "unused" not in again.binding.frame and "unused" in fit.binding.frame
    assert again.binding.frame.index.equals(fit.binding.frame.index)


def test_a_fit_that_gave_up_its_grid_keeps_adaptive_points(tmp_path):
    rng = np.random.default_rng(2)
    data = pd.DataFrame((rng.random((300, 4)) < 0.5).astype(float), columns=["y1", "y2", "y3", "y4"])
    fit = sg.fit(f"theta =~ 1*y1 + 1*y2 + 1*y3 + 1*y4 {BINARY}", data)
    fit.save(tmp_path / "fit")
    again = sg.load(tmp_path / "fit")
    assert type(again.likelihood) is type(fit.likelihood)
    assert str(again.summary()) == str(fit.summary())


# ---- files that are no fits


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "fit.sg"
    sg.cfa("visual =~ x1 + x2 + x3", sg.load_dataset("holzinger")).save(path)
    return path.read_bytes()


def rewritten(content: bytes, change) -> bytes:
    """The same archive with a changed record."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "fit.json":
                record = json.loads(part)
                change(record)
                part = json.dumps(record).encode()
            new.writestr(name, part)
    return out.getvalue()


def refusal(tmp_path, content: bytes) -> str:
    path = tmp_path / "bad.sg"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        sg.load(path)
    assert "bad.sg" in str(caught.value)
    return str(caught.value)


def test_there_is_no_file(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        sg.load(tmp_path / "nowhere.sg")


def test_a_truncated_file_is_refused(saved, tmp_path):
    for share in (0.1, 0.5, 0.95):
        assert "truncated or damaged" in refusal(tmp_path, saved[: int(share * len(saved))])
    spoilt = bytearray(saved)
    spoilt[len(spoilt) // 3] ^= 0xFF
    assert "damaged" in refusal(tmp_path, bytes(spoilt))


def test_what_is_no_fit_is_refused(tmp_path):
    assert "is no saved fit" in refusal(tmp_path, b"x,y\n1,2\n")
    assert "is no saved fit" in refusal(tmp_path, b"")
    memory = io.BytesIO()
    np.savez(memory, x=np.zeros(2))
    assert "no saved fit" in refusal(tmp_path, memory.getvalue())


def test_a_newer_format_is_refused(saved, tmp_path):
    said = refusal(tmp_path, rewritten(saved, lambda record: record.update(format_version=99, semgllamm="9.9")))
    assert "semgllamm 9.9" in said and "format 99" in said


def test_an_incomplete_record_is_refused(saved, tmp_path):
    assert "incomplete" in refusal(tmp_path, rewritten(saved, lambda record: record.pop("state")))


def test_another_model_of_the_same_text_is_refused(saved, tmp_path):
    said = refusal(tmp_path, rewritten(saved, lambda record: record["names"].reverse()))
    assert "the parameters differ" in said


def test_nothing_in_a_file_is_a_pickle(saved, tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "arrays/free.npy":
                memory = io.BytesIO()
                np.save(memory, np.array([print, "x"], dtype=object), allow_pickle=True)
                part = memory.getvalue()
            new.writestr(name, part)
    assert "damaged" in refusal(tmp_path, out.getvalue())


def test_a_file_that_cannot_be_written(tmp_path):
    fit = sg.cfa("visual =~ x1 + x2 + x3", sg.load_dataset("holzinger"))
    with pytest.raises(SemgllammError, match="cannot be written"):
        fit.save(tmp_path / "no" / "such" / "folder.sg")
    assert not list(tmp_path.iterdir())


def test_a_changed_diagram_is_not_saved(tmp_path):
    from dataclasses import replace

    diagram = sg.parse("visual =~ x1 + x2 + x3\nvisual ~ ageyr")
    fit = sg.cfa(replace(diagram, paths=diagram.paths[:3]), sg.load_dataset("holzinger"))
    with pytest.raises(ModelError, match="was changed after its text"):
        fit.save(tmp_path / "fit.sg")


# ---- tables


@pytest.mark.parametrize(
    "column",
    [
        [1, 2, 3], [True, False, True], [1.5, np.nan, np.inf], ["a", "b", "a"], ["a", None, "b"], ["a", 2, True],
        pd.array([1, None, 3], dtype="Int64"), pd.array([True, None, False], dtype="boolean"),
        pd.Categorical(["x", None, "y"], ["y", "x", "never"], ordered=True), pd.Categorical([3, 1, 3]),
        pd.to_datetime(["2020-01-01", None, "2021-05-06"]), np.array([1, 2, 3], dtype=np.int8),
        pd.Series(["a", None, "b"], dtype="string"), pd.Series(["a", 1.5, None], dtype=object),
    ],
    ids=str,
)  # fmt: skip
def test_columns_of_all_types_come_back(column):
    frame = pd.DataFrame({"c": column})
    arrays = {}
    record = json.loads(json.dumps(stored_frame(frame, arrays)))
    pd.testing.assert_frame_equal(table_of(record, arrays), frame)


def test_a_column_without_a_plain_form_is_refused():
    with pytest.raises(DataError, match="column 'c' of type object cannot be saved"):
        stored_frame(pd.DataFrame({"c": [object(), 1, 2]}), {})
