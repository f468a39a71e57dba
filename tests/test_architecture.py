"""Arrows between the packages point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "trainables": {"ray", "mlflow", "study", "analysis"},
    "analysis": {"ray", "trainables", "study", "torch"},
}
EXCEPTIONS = {("trainables/tune_adapter.py", "ray")}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_nothing_above_it(package: str) -> None:
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in (ROOT / package).rglob("*.py")
        for name in imports(path) & FORBIDDEN[package]
    }
    assert found - EXCEPTIONS == set()


def test_files_are_of_a_readable_length() -> None:
    long = {
        str(path.relative_to(ROOT))
        for package in ("trainables", "study", "analysis")
        for path in (ROOT / package).rglob("*.py")
        if len(path.read_text().splitlines()) > 300
    }
    assert long == set()
