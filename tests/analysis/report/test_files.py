"""The files of a report, in a folder where others may write."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.report.figures.panels import Panel
from analysis.report.files import FIGURE_NAMES, with_files, write_figures
from analysis.store.files import UnsafeFileError


def panel(name: str, dataset: str = "digits") -> Panel:
    return Panel("Section", dataset, name, "<svg/>", pd.DataFrame({"x": [1]}), "alt", "n", 3.0)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_figures_of_before_are_removed_and_files_of_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "s" / "report" / "figures"
    folder.parent.mkdir(parents=True)
    write_figures(with_files([panel("old")]), folder)
    for name in (".bashrc", "notes.txt", "thesis.tex"):
        (folder / name).write_text("mine")
    write_figures(with_files([panel("new")]), folder)
    assert names(folder) == [".bashrc", "new-digits.csv", "new-digits.svg", "notes.txt", "thesis.tex"]


@pytest.mark.parametrize("link", ["s/report/figures", "s/report"])
def test_a_folder_of_figures_that_is_a_link_loses_no_file(tmp_path: Path, link: str) -> None:
    home = tmp_path / "home"
    (home / "figures").mkdir(parents=True)
    for folder in (home, home / "figures"):
        (folder / "drawing.svg").write_text("mine")
    (tmp_path / link).parent.mkdir(parents=True)
    (tmp_path / link).symlink_to(home)
    with pytest.raises(UnsafeFileError, match=rf"{link} is a link, which is not followed"):
        write_figures(with_files([panel("new")]), tmp_path / "s" / "report" / "figures")
    assert names(home) == ["drawing.svg", "figures"]
    assert names(home / "figures") == ["drawing.svg"]


@pytest.mark.parametrize("dataset", ["digits", "folder:Vögel", "../../x", "图像", "a" * 200, "😀"])
def test_each_name_of_a_figure_is_one_that_is_known_again(dataset: str) -> None:
    for each in with_files([panel("margins tuned", dataset), panel("decay", dataset)]):
        assert FIGURE_NAMES.fullmatch(f"{each.file}.svg")
        assert "/" not in each.file
