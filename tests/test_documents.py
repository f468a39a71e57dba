"""What the project's texts name is there."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_contributing_names_files_that_exist() -> None:
    named = set(re.findall(r"\b(?:analysis|study|tests|trainables)/[\w/.]*\w", CONTRIBUTING))
    assert len(named) > 20
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_contributing_names_tests_and_targets_that_exist() -> None:
    defined = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (\w+)", file.read_text())
    }
    tests = set(re.findall(r"`(test_\w+)`", CONTRIBUTING))
    assert len(tests) > 5
    assert tests - defined == set()
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake (\w+)`", CONTRIBUTING)) - targets == set()


def test_the_citation_is_of_this_version_and_of_the_paper_that_readme_names() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = dict(re.findall(r'^(\w+) = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE))
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    (paper,) = citation["references"]
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").partition("```")[0]
    assert paper["title"] in " ".join(first_screen.split())
    assert paper["url"] in first_screen
