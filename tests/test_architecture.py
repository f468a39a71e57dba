"""The tree shows the architecture: small rooms, plain arrows, arms that are data. Import-linter checks the arrows."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import analysis

ROOT = Path(__file__).parent.parent
PACKAGES = ("analysis", "study", "trainables")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ROOMS = sorted({path.parent for path in FILES} - {ROOT / package for package in PACKAGES})


def name_of(path: Path) -> str:
    """The module of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_the_arrows_are_those_of_the_contracts() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_are_of_a_readable_length() -> None:
    assert [name_of(path) for path in FILES if len(path.read_text().splitlines()) > 300] == []


def test_no_folder_has_more_than_a_dozen_modules() -> None:
    counts = Counter(path.parent.relative_to(ROOT) for path in FILES)
    assert {str(folder): count for folder, count in counts.items() if count > 12} == {}


@pytest.mark.parametrize("room", ROOMS, ids=[name_of(room) for room in ROOMS])
def test_a_room_says_in_its_docstring_what_happens_there_and_holds_nothing_else(room: Path) -> None:
    (docstring,) = ast.parse((room / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    lines = str(ast.literal_eval(docstring.value)).strip().splitlines()
    assert len(lines) == 3
    assert "mport" in lines[2]


def test_no_module_bears_the_name_of_what_the_package_exports() -> None:
    modules = {path.stem for path in (ROOT / "analysis").rglob("*") if path.is_dir() or path.suffix == ".py"}
    assert modules.isdisjoint(analysis.__all__)


FORKS = """
import gc, importlib, os, sys
import jinja2, matplotlib.figure, mlflow.tracking, pandas, pyarrow.parquet, pydantic, ray.tune, scipy.stats
import sklearn.datasets, torch, torchvision, upath, yaml
gc.freeze()
failed = []
for module in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            importlib.import_module(module)
        except BaseException as error:
            print(module, repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(module)
print(*failed)
"""


def test_each_module_can_be_imported_first() -> None:
    """Each in a process of its own, which has loaded other packages already, but nothing of ours."""
    modules = [name_of(path) for path in FILES if path.name != "__main__.py"]
    done = subprocess.run(
        [sys.executable, "-c", FORKS, *modules], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.split() == [], done.stderr


# Where the losses are named: what is studied, what is claimed, how it is shown.
NAMING = {
    *("study/config/presets", "study/config/ranges.yaml"),
    *("analysis/conclusions/claims.yaml", "analysis/report/arms.yaml"),
}
PRODUCT = "contrastive-or-triplet"


def named_in_code(path: Path) -> list[str]:
    """Strings and names that hold a loss's name, docstrings and comments apart."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            texts.append(node.value)
        texts += [str(getattr(node, field)) for field in ("id", "attr", "arg", "name") if hasattr(node, field)]
    return [text for text in texts if spells_a_loss(text)]


def spells_a_loss(text: str) -> bool:
    plain = text.lower().replace(PRODUCT, "")
    return "triplet" in plain or "contrastive" in plain


def test_analysis_and_study_name_no_loss() -> None:
    named = {}
    for package in ("analysis", "study"):
        for path in sorted((ROOT / package).rglob("*")):
            place = path.relative_to(ROOT)
            documents = path.is_dir() or path.suffix == ".md" or "__pycache__" in place.parts
            if documents or {str(place), str(place.parent)} & NAMING:
                continue
            text = path.read_bytes().decode(errors="replace")
            found = named_in_code(path) if path.suffix == ".py" else [path.name] * spells_a_loss(text)
            if found:
                named[str(place)] = found
    assert named == {}


def test_the_search_for_names_finds_one(tmp_path: Path) -> None:
    code = '"""The triplet loss."""\nPAIR = ("triplet", "x")\ndef contrastive_loss(): "Of documentation: triplet"\n'
    (tmp_path / "a.py").write_text(code)
    assert sorted(named_in_code(tmp_path / "a.py")) == ["contrastive_loss", "triplet"]
