"""A YAML file of a stranger's is one line, quickly."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from analysis.limits import VARIABLE
from analysis.yaml_file import YamlError, read_yaml

BOMB = "\n".join(["a: &a [x, x, x]", "b: &b [*a, *a, *a]", "c: [*b, *b, *b]"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "line 2: aliases such as \\*a are not read"),
        ("x: &a {<<: *a}", "aliases such as"),
        ("[" * 100_000, "nested more than 20 deep|maximum nesting depth"),
        ("- " * 100_000, "line 1: is nested more than 20 deep"),
        ("{" * 500 + "}" * 500, "line 1: is nested more than 20 deep"),
        ("dim: 0x" + "f" * 500_000, "line 1: an integer has more than 100 digits"),
        ("dim: 1" + ":1" * 300_000, "line 1: an integer has more than 100 digits"),
        ("dim: 1" + ":1" * 300_000 + ".5", "line 1: a number has more than 100 digits"),
        ("dim: " + "9" * 500_000, "line 1: an integer has more than 100 digits"),
        ("day: 2024-13-45", "is not YAML: month"),
        ("day: !!timestamp today", "is not YAML"),
        ("a: [1, 2", "is not YAML"),
        ("a: !!python/object/apply:os.system [true]", "is not YAML: could not determine a constructor"),
        ("? [a, b]\n: 1", "is not YAML: .*unhashable"),
        ("a: \x00", "is not YAML"),
        ("x" * 1_000_001, "is larger than 1 MB: .* set " + VARIABLE),
    ],
    ids=lambda text: text[:30].replace("\0", "0"),
)
def test_every_fault_is_one_line_within_seconds(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(content)
    started = time.monotonic()
    with pytest.raises(YamlError, match=said) as caught:
        read_yaml(file)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert time.monotonic() - started < 5


def test_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(YamlError, match="is not YAML: 'utf-8' codec"):
        read_yaml(tmp_path / "a.yaml")


def test_a_device_is_read_up_to_the_limit() -> None:
    with pytest.raises(YamlError, match="larger than"):
        read_yaml("/dev/zero")


def test_limits_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("[" * 30 + "]" * 30)
    monkeypatch.setenv(VARIABLE, "2")
    assert read_yaml(tmp_path / "a.yaml") != []


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("margins: {a: [0.5, 1], b: [1.0e-3]}\nname: x\nseeds: 0x10\ntrue: yes")
    assert read_yaml(tmp_path / "a.yaml") == {
        "margins": {"a": [0.5, 1], "b": [0.001]},
        "name": "x",
        "seeds": 16,
        True: True,
    }
