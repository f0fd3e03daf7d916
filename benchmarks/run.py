"""The same work in semgllamm and in its peers, side by side: prints a table, writes it into docs/explanation/speed.md.

    python benchmarks/run.py                      everything, some ten minutes
    python benchmarks/run.py --models epil cbpp   these alone, printed only

Each model is fitted by each package in a process of its own, one process after the other: once to warm up, then again
and again; the median is told. What is timed is one call that ends with estimates and standard errors.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

from models import MODELS, data
from tabulate import tabulate

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "explanation" / "speed.md"
BEGIN, END = "<!-- measured: written by benchmarks/run.py -->", "<!-- end of measured -->"
# the checkout is what is measured, installed or not
CHECKOUT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))}
LONG = 0.3  # seconds of the fastest peer from which semgllamm is to be TIMES as fast
TIMES = 10
LIKELIHOODS = {"laplace": "Laplace", "converged": "converged adaptive", "exact": "exact (Gaussian)"}

LSAT6 = """
import semgllamm
fit = semgllamm.fit({text!r}, semgllamm.load_dataset("lsat6"))
print(fit.loglik)
"""


def main() -> None:
    """Measure, print, and write the page if everything was measured."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--models", nargs="*", choices=sorted(MODELS), help="only these, and leave the page alone")
    options.add_argument("--seconds", type=float, default=3.0, help="time to repeat each fit for (at least thrice)")
    chosen = options.parse_args()
    sys.path.insert(0, str(HERE.parent))
    load = os.getloadavg()[0]
    rows, notes = [], []
    for key in chosen.models or MODELS:
        for method in MODELS[key].methods:
            rows += compared(key, method, chosen.seconds, notes)
    text = "\n\n".join([verdicts(rows), details(rows), *(["\n".join(dict.fromkeys(notes))] if notes else [])])
    if not chosen.models:
        text = "\n\n".join([text, startup(), machine(rows, load)])
    print(text)
    if not chosen.models:
        write(text)


# ---- measuring -------------------------------------------------------------------------------------------------------


def compared(key: str, method: str, seconds: float, notes: list[str]) -> list[dict]:
    """One row for each package: name, median seconds, log-likelihood, distance of the estimates in standard errors."""
    model, cores = MODELS[key], os.cpu_count() or 1
    print(f"{key}, {method} ...", file=sys.stderr, flush=True)
    ours = [(f"semgllamm, {threaded(n)}", semgllamm(key, method, seconds, n)) for n in threads(cores)]
    reference = ours[0][1]
    if "failed" in reference:
        raise SystemExit(f"semgllamm fails on {key}, {method}: {reference['failed']}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{model.data}.csv"
        data(model.data).to_csv(file, index=False)
        peers = [(name, peer(key, name, method, file, seconds)) for name in model.methods[method][1]]
    rows = []
    for name, found in [*ours, *peers]:
        row = {"key": key, "model": model, "method": method, "package": name, "ours": name.startswith("semgllamm")}
        problem = f"not installed ({found['missing']})" if "missing" in found else found.get("failed")
        if problem is None and not row["ours"] and any("FAILED" in text for text in found["said"]):
            problem = "finds no maximum"
        if problem:
            notes.append(f"- {model.title}, {LIKELIHOODS[method]}: {name}: {one_line(problem)}")
            rows.append(row | {"problem": problem, "said": found.get("said", [])})
            continue
        notes += [f"- {model.title}, {LIKELIHOODS[method]}: {name} says: {one_line(text)}" for text in found["said"]]
        rows.append(row | found | {"seconds": median(found["seconds"]), "distance": distance(reference, found)})
    return rows


def threads(cores: int) -> tuple[int, ...]:
    """All cores, and one, which is what the peers use."""
    return (1,) if cores == 1 else (cores, 1)


def threaded(n: int) -> str:
    """"1 thread", "2 threads"."""
    return f"{n} thread{'s' if n > 1 else ''}"


def semgllamm(key: str, method: str, seconds: float, n_threads: int) -> dict:
    """What benchmarks/ours.py measures."""
    return answer([sys.executable, str(HERE / "ours.py"), key, method, str(seconds), str(n_threads)])


def peer(key: str, package: str, method: str, file: Path, seconds: float) -> dict:
    """What benchmarks/peers.R measures."""
    return answer(["Rscript", str(HERE / "peers.R"), key, package, method, str(file), str(seconds)])


def answer(command: list[str]) -> dict:
    """The JSON object that a process prints last; a program that is missing or fails is told, not skipped."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=CHECKOUT)
    except FileNotFoundError:
        return {"missing": command[0]}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"failed": one_line(done.stderr) or "no output"}
    return json.loads(lines[-1])


def distance(reference: dict, found: dict) -> float:
    """Largest distance of an estimate from semgllamm's, in its standard errors."""
    unknown = set(found["estimates"]) ^ set(reference["estimates"])
    if unknown:
        raise SystemExit(f"estimates that only one side has: {', '.join(sorted(unknown))}")
    return max(
        abs(value - reference["estimates"][name]) / reference["se"][name] for name, value in found["estimates"].items()
    )


def startup() -> str:
    """Import, first fit on a fresh machine, and later processes, as a table."""

    def wall(code: str, environment=CHECKOUT) -> float:
        begun = perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
        return perf_counter() - begun

    fit = LSAT6.format(text=MODELS["lsat6_1pl"].text)
    imports = {name: median([wall(f"import {name}") for _ in range(11)]) for name in ("pandas", "semgllamm")}
    with tempfile.TemporaryDirectory() as cache:
        environment = {**CHECKOUT, "NUMBA_CACHE_DIR": cache}
        first = wall(fit, environment)
        later = median([wall(fit, environment) for _ in range(7)])
    rows = [
        ["`import pandas`, fresh process", f"{imports['pandas']:.2f} s", ""],
        ["`import semgllamm`, fresh process", f"{imports['semgllamm']:.2f} s",
         aim(imports["semgllamm"] <= 1.5 * imports["pandas"], "at most 1.5 times pandas")],
        ["LSAT6 with an empty compile cache, whole process", f"{first:.1f} s", aim(first < 30, "under 30 s")],
        ["LSAT6 in any later process, start-up included", f"{later:.2f} s", aim(later < 2, "under 2 s")],
    ]  # fmt: skip
    return table("Start-up", ["what", "wall time (median)", "aim"], rows)


# ---- telling ---------------------------------------------------------------------------------------------------------


def verdicts(rows: list[dict]) -> str:
    """A line for each model and likelihood: semgllamm, the fastest peer, how many times as fast, whether as aimed."""
    lines = []
    for key, method in dict.fromkeys((row["key"], row["method"]) for row in rows):
        here = [row for row in rows if (row["key"], row["method"]) == (key, method)]
        measured = [row for row in here if "problem" not in row]
        ours = [row for row in measured if row["ours"]]
        peers = sorted((row for row in measured if not row["ours"]), key=lambda row: row["seconds"])
        line = [here[0]["model"].title, LIKELIHOODS[method], *(f"{row['seconds']:.3f}" for row in ours)]
        if peers:
            fastest, seconds = peers[0]["package"], peers[0]["seconds"]
            times, wanted = seconds / ours[0]["seconds"], TIMES if seconds > LONG else 1
            line += [f"{fastest} {seconds:.3f}", f"{times:.1f}", aim(times >= wanted, f"{wanted}")]
        else:
            line += ["none", "", ""]
        lines.append(line)
    columns = [f"semgllamm, {threaded(n)} (s)" for n in threads(os.cpu_count() or 1)]
    header = ["model", "likelihood", *columns, "fastest peer (s)", "times as fast", "aim"]
    return table("Warm fits, median", header, lines)


def details(rows: list[dict]) -> str:
    """A line for each fit, with its log-likelihood and the distance of its estimates."""
    lines = []
    for row in rows:
        start = [row["model"].title, LIKELIHOODS[row["method"]], row["package"]]
        if "problem" in row:
            lines.append([*start, "", "", "", one_line(row["problem"])])
            continue
        points = row.get("points")
        how = "" if points is None or row["method"] != "converged" else "points " + " × ".join(map(str, points))
        loglik = f"{row['loglik']:.5f}" + ("" if row.get("constants", True) else " (constants omitted)")
        lines.append([*start, f"{row['seconds']:.3f}", loglik, f"{row['distance']:.1e}", how])
    header = ["model", "likelihood", "package", "s", "logL", "largest distance of an estimate (SE)", ""]
    return table("Every fit", header, lines)


def table(title: str, header: list[str], lines: list[list[str]]) -> str:
    """A markdown table under its title."""
    return f"### {title}\n\n" + tabulate(lines, header, tablefmt="pipe", disable_numparse=True)


def machine(rows: list[dict], load: float) -> str:
    """What it was measured on."""
    versions = {row["version"] for row in rows if "version" in row}
    languages = {row["language"] for row in rows if "language" in row}
    python = [f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas", "numba", "lark")]
    return "\n".join([
        "### Machine", "",
        f"- {processor()}, {os.cpu_count()} cores; {platform.system()} {platform.machine()}; load average when the run "
        f"began {load:.2f}",
        f"- Python {platform.python_version()}; {', '.join(python)}",
        f"- {'; '.join(sorted(languages))}; {', '.join(sorted(versions))}",
    ])  # fmt: skip


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def aim(met: bool, what: str) -> str:
    """An aim and whether it is met."""
    return f"{what}: {'met' if met else '**missed**'}"


def one_line(text: str) -> str:
    """A message without its line breaks."""
    return " ".join(str(text).split())


def write(text: str) -> None:
    """Put the tables between the page's marks, and leave what is written around them."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
    print(f"written to {PAGE}", file=sys.stderr)


if __name__ == "__main__":
    main()
