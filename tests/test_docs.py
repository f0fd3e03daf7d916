"""The pages: their Python blocks run, print what the page says, and quote files as they stand."""

import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class FencedBlock:
    """A fenced block of a page: what follows the fence, its lines, and the line of the page it starts in."""

    info: str
    code: str
    line: int
    start: int
    end: int


def blocks(page: str) -> list[FencedBlock]:
    return [
        FencedBlock(
            found["info"].strip(), found["code"], page.count("\n", 0, found.start("code")), found.start(), found.end()
        )
        for found in FENCE.finditer(page)
    ]


def printed_after(block: FencedBlock, page: str, later: FencedBlock | None) -> str | None:
    """What the page says that the block prints: a ``text`` block with nothing but blank lines between."""
    if later is None or later.info != "text" or page[block.end : later.start].strip():
        return None
    return later.code


def without_trailing_blanks(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_python_blocks_run_and_print_what_the_page_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = path.read_text(encoding="utf-8")
    found = blocks(page)
    names = {"__name__": "__page__"}
    for block, later in zip(found, [*found[1:], None]):
        if block.info != "python":
            continue
        code = compile("\n" * block.line + block.code, str(path), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, names)
        expected = printed_after(block, page, later)
        if expected is not None:
            assert without_trailing_blanks(out.getvalue()) == without_trailing_blanks(expected)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_quoted_files_are_as_they_stand(path):
    for block in blocks(path.read_text(encoding="utf-8")):
        if quoted := re.search(r"\bfile=(\S+)", block.info):
            assert block.code == (ROOT / quoted[1]).read_text(encoding="utf-8"), f"line {block.line}: {quoted[1]}"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_to_files_lead_somewhere(path):
    prose = FENCE.sub("", path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
        if not re.match(r"\w+:", target):
            assert (path.parent / target).exists(), target


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 100
