"""A report on runs whose names a stranger chose says them, and does nothing that they ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.masking import forget
from analysis.report.__main__ import main
from tests.analysis.recorded import record_study
from tests.analysis.studies import simulated_runs, with_one_metric

DATASET = '=HYPERLINK("x")\x1b[2J\u202e\n# a | b](javascript:x) <img src=x> $\\frac$ \x9b `'
SECRET = "pass word@1"  # pragma: allowlist secret


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("strangers")
    runs = simulated_runs(np.random.default_rng(0), seeds=7, miners=["all"], margins=[1.0])
    runs = with_one_metric(runs.assign(dataset=DATASET, device="gpu\x1b[31m\nx", code_version="1\u2028"))
    record_study(folder, "s", runs)
    claim = 'name: "a\\e[2J", statement: "It |\\n<script>](http://x)", metric: map_at_r, direction: triplet'
    (folder / "claims\x1b.yaml").write_text(f"- {{{claim}}}")
    return folder


def test_every_form_of_a_report_shows_names_and_obeys_none(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--study", "s", "--storage", str(storage), "--claims", str(storage / "claims\x1b.yaml")]) == 0
    report = storage / "s" / "report"
    texts = {
        path.name: path.read_bytes().decode() for path in report.rglob("*") if path.suffix != ".svg" and path.is_file()
    }
    texts["terminal"] = capsys.readouterr().out
    for name, text in texts.items():
        assert not set(text) & set("\x1b\u202e\u2028\x9b\r"), name
    assert "\\x1b[2J\\u202e\\n#" in texts["report.md"]
    assert "](javascript" not in texts["report.md"]
    assert "<img" not in texts["report.md"]
    assert "<script>" not in texts["report.md"]
    assert "<img src=x" not in texts["report.html"]
    for name, text in texts.items():
        if name.endswith(".csv"):
            assert not any(line.startswith("=") or ",=" in line or ',"=' in line for line in text.splitlines()), name


def test_no_secret_of_an_address_is_shown_though_it_holds_an_at_and_a_blank(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (
        ["--storage", f"nonsense://me:{SECRET}@host/results"],
        [f"--storage=s3://bucket/results?sig={SECRET}"],
        ["--storage", str(storage), "--tracking-uri", f"nonsense://me:{SECRET}@host"],
        ["--storage", str(storage), "--tracking-uri", f"https://{SECRET}@127.0.0.1:9/?password={SECRET}"],
    ):
        forget()
        assert main(["--study", "s", *options]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        for part in (SECRET, "pass word", "word@1"):
            assert part not in captured.out + captured.err
    forget()
