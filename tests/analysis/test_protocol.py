"""The published protocol and the tests that hold it know each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
PROTOCOL = (TESTS.parent / "analysis" / "PROTOCOL.md").read_text(encoding="utf-8")
SENTENCES = dict(re.findall(r"^\*\*(\d+)\. (.+?)(?=^\*\*\d+\. |^## )", PROTOCOL, re.MULTILINE | re.DOTALL))


FILES = {path.name: path for path in TESTS.rglob("test_*.py")}


def cited(text: str) -> list[tuple[str, str]]:
    """The tests that a text names, each with its file; one without a file is in that of the test before it."""
    tests, file = [], ""
    for path, name in re.findall(r"`(test_\w+\.py)?::(\w+)`", text):
        file = path or file
        tests.append((file, name))
    return tests


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_sentence_names_tests_that_exist() -> None:
    assert len(SENTENCES) >= 27
    for number, text in SENTENCES.items():
        tests = cited(text)
        assert tests, f"sentence {number} names no test"
        missing = [name for file, name in tests if name not in names_in(FILES[file])]
        assert missing == [], f"sentence {number}"


def test_every_sentence_that_a_test_is_named_after_is_in_the_protocol() -> None:
    named = {name for path in TESTS.rglob("test_*.py") for name in names_in(path) if name.startswith("test_sentence")}
    assert len(named) > 60
    for name in named:
        numbers = re.findall(r"\d+", re.match(r"test_sentence_\d+(?:_and_\d+)*", name)[0])  # type: ignore[index]
        assert set(numbers) <= set(SENTENCES), name


def test_every_source_that_is_listed_is_what_a_sentence_leans_on() -> None:
    sentences, _, listed = PROTOCOL.partition("## Sources")
    authors = re.findall(r"^- (\w+)", listed, re.MULTILINE)
    assert len(authors) > 10
    assert [author for author in authors if author not in sentences] == []
