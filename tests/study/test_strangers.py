"""What a session says of what strangers wrote, and of secrets that it was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.masking import forget
from study.config.loading import load_config
from study.recording.mlflow_connection import open_sink
from study.recording.mlflow_sink import TrackingError
from study.run import main
from study.storage.lock import _holder
from study.sync import main as sync

SECRET = "pass word@1"  # pragma: allowlist secret


@pytest.mark.parametrize(
    "options",
    [
        ["--storage", f"nonsense://me:{SECRET}@host/results"],
        ["--storage", f"memory://me:{SECRET}@host/results"],
        ["--tracking-uri", f"https://host/?sig={SECRET}", "--epochs", "none"],
        ["--address", f"ray://me:{SECRET}@host", "--epochs", f"ray://me:{SECRET}@host"],
        ["--address", f"me:{SECRET}@host:1", "--epochs", f"me:{SECRET}@host:1"],
        ["--tracking-uri", f"https://{SECRET}@host", "--unknown", f"https://{SECRET}@host"],
    ],
)
def test_no_secret_is_shown_by_a_command_that_ends_at_once(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forget()
    try:
        status = main(["--data-root", str(tmp_path), *options])
    except SystemExit as stopped:
        status = stopped.code  # type: ignore[assignment]
    forget()
    captured = capsys.readouterr()
    assert status == 2
    assert captured.err.startswith("error: ")
    for part in (SECRET, "pass word", "word@1"):
        assert part not in captured.out + captured.err


def test_a_secret_in_a_file_of_fields_is_not_shown_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f'storage: "nonsense://me:{SECRET}@host"\n')
    forget()
    assert main(["--config", str(file)]) == 2
    forget()
    assert "word@1" not in capsys.readouterr().err


def test_the_command_that_fills_mlflow_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    forget()
    assert sync(["--name", "s", "--storage", f"memory://me:{SECRET}@host", "--tracking-uri", "sqlite:///x.db"]) == 2
    forget()
    assert "word@1" not in capsys.readouterr().err


def test_datasets_that_are_missing_are_listed_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a\x1b[2J\nerror: b\u202e"
    (folder / "cat\x1b\n").mkdir(parents=True)
    (folder / "cat\x1b\n" / "1.jpg").write_bytes(b"x")
    options = ["--datasets", f"folder:{folder}", "--encoder", f"folder:{folder.name}=cnn", "--plan"]
    assert main([*options, "--storage", str(tmp_path / "results")]) == 2
    captured = capsys.readouterr()
    assert not set(captured.err) & set("\x1b\u202e")
    assert not any(line.startswith("error: b") for line in captured.err.splitlines())


def test_the_holder_of_a_lease_and_mlflows_errors_are_one_visible_line(tmp_path: Path) -> None:
    assert _holder(b'{"holder": "a\\u001b[2J\\nb"}') == "a\\x1b[2J\\nb"
    assert len(_holder(b'{"holder": "' + b"x" * 10_000 + b'"}')) <= 120
    with pytest.raises(TrackingError) as caught:
        open_sink("nonsense\x1b[2J://host", "s")
    assert str(caught.value).isprintable()


def test_a_study_keeps_the_addresses_that_it_was_given() -> None:
    uri = f"https://me:{SECRET}@host"
    assert load_config("demo", None, {"tracking_uri": uri}).tracking_uri == uri
    forget()
