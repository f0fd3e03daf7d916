"""The house: who may import whom, what an import costs, and what the wheel holds."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "semgllamm"
FILES = sorted(PACKAGE.rglob("*.py"))

# the rooms that a room may know when it is imported
KNOWN = {
    "errors": set(),
    "diagram": {"errors"},
    "syntax": {"errors", "diagram"},
    "responses": {"errors"},
    "model": {"errors", "diagram", "responses"},
    "data": {"errors", "diagram", "responses", "model"},
    "integration": {"errors", "responses"},
    "estimation": {"errors", "diagram", "responses", "model", "data", "integration"},
    "tables": {"errors"},
    "results": {"errors", "diagram", "responses", "model", "data", "integration", "estimation"},
}
# what it may know besides, once a function is called: a fit prints itself, and reads the hypotheses put to it
KNOWN_LATE = {"results": {"tables", "stages", "syntax"}}
# the front: it knows every room, and no room knows it
FRONT = {"__init__", "__main__", "api", "cli", "stages"}
# where a library may be used; the others may be used anywhere
HOMES = {"pandas": {"data", "results"}, "lark": {"syntax"}, "numba": {"responses", "integration"}}
HOMES_LATE = {"pandas": {"diagram/table.py"}}


def room_of(file: Path) -> str:
    """The folder of a file in the package, or the name of a file at its top."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file: Path) -> Iterator[tuple[str, bool, int]]:
    """Each imported module as (name, whether a function imports it, line), but not those for type checkers only."""
    return walk(ast.parse(file.read_text(encoding="utf-8")), late=False)


def walk(node: ast.AST, late: bool) -> Iterator[tuple[str, bool, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, late, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: imports name the package"
            if child.module == "semgllamm":
                yield from ((f"semgllamm.{alias.name}", late, child.lineno) for alias in child.names)
            else:
                yield child.module, late, child.lineno
        elif not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield from walk(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_room_knows_only_the_rooms_before_it(file):
    room = room_of(file)
    assert room in FRONT or room in KNOWN, f"{room} has no place in the house yet"
    if room in FRONT:
        return
    for module, late, line in imports(file):
        package, _, rest = module.partition(".")
        if package == "semgllamm":
            other = rest.partition(".")[0]
            allowed = {room} | KNOWN[room] | (KNOWN_LATE.get(room, set()) if late else set())
            assert other in allowed, f"line {line}: {room} must not know {other or 'the whole package'}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_library_stays_at_home(file):
    for module, late, line in imports(file):
        library = module.partition(".")[0]
        place = file.relative_to(PACKAGE).as_posix()
        if late and place in HOMES_LATE.get(library, ()):
            continue
        assert library not in HOMES or room_of(file) in HOMES[library], f"line {line}: {library} is not for {place}"


def test_only_one_file_knows_how_kernels_are_compiled():
    users = {
        file.relative_to(PACKAGE).as_posix()
        for file in FILES
        if re.search(r"\b(njit|jit|vectorize|cfunc)\(|numba\.(njit|jit)\b", file.read_text(encoding="utf-8"))
    }
    assert users == {"responses/jit.py"}


def declared(extra: str | None = None) -> set[str]:
    """The packages that are needed, or those of an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    return {re.match(r"[\w-]+", requirement).group() for requirement in needed}


def test_the_package_needs_what_it_declares():
    assert declared() == {"lark", "numpy", "scipy", "pandas", "numba", "tabulate"}
    assert declared("plot") == {"matplotlib"}
    used = {(file.stem, module.partition(".")[0], late) for file in FILES for module, late, _ in imports(file)}
    # plots import theirs when they are drawn
    used -= {("plots", name, True) for name in declared("plot")}
    assert {name for _, name, _ in used} - set(sys.stdlib_module_names) - {"semgllamm"} <= declared()


def test_no_file_is_a_grab_bag():
    assert not {file.stem for file in FILES} & {"util", "utils", "helper", "helpers", "misc", "common"}


def test_every_public_name_is_there():
    import semgllamm

    for name in semgllamm.__all__:
        assert getattr(semgllamm, name) is not None
        assert name in dir(semgllamm)


def test_importing_the_package_is_cheap():
    code = "import sys, semgllamm; print(*sorted({'numba', 'scipy', 'lark', 'pandas', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# ---- the wheel


def can_build() -> bool:
    try:
        version("build")
        return int(version("setuptools").partition(".")[0]) >= 77
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of the sources, which leaves nothing behind in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("semgllamm", "grammar"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


needs_build = pytest.mark.skipif(not can_build(), reason="build with setuptools 77 or later is not installed")


@needs_build
def test_the_wheel_holds_modules_grammar_and_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {file.relative_to(ROOT).as_posix() for file in FILES}
    data = {file.relative_to(ROOT).as_posix() for file in (PACKAGE / "data" / "datasets").glob("*.csv*")}
    assert modules | data | {"semgllamm/grammar/semgllamm.lark"} <= names
    assert data
    assert any(name.endswith("licenses/LICENSE") for name in names)


@needs_build
def test_a_model_is_parsed_from_the_installed_wheel(wheel, tmp_path):
    target = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(target)]
    done = subprocess.run([*install, str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import semgllamm\n"
        "assert semgllamm.__file__.startswith(sys.argv[1]), semgllamm.__file__\n"
        "print([path.rhs for path in semgllamm.parse('f =~ y1 + y2').paths])\n"
        "print(len(semgllamm.load_dataset('lsat6')))"
    )
    # -P: the checkout that the test runs in is not to be found
    done = subprocess.run([sys.executable, "-P", "-c", code, str(target)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['y1', 'y2']", "1000"]
