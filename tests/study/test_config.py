from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.config import ConfigError, load_config, preset_names
from study.grid import expand
from study.readings import find_readings


def test_presets_are_the_studies_that_they_promise() -> None:
    assert preset_names() == ["demo", "paper", "sweep"]
    demo = load_config("demo", None, {})
    assert (len(expand(demo, find_readings(demo)[0])), demo.name, demo.storage) == (312, "demo", Path.cwd() / "results")
    assert demo.datasets == ("synthetic", "digits")
    assert demo.miners == ("all", "semihard", "hard")
    assert (demo.margins, demo.lrs, len(demo.seeds), demo.epochs) == ((0.2, 1.0), (1e-3,), 13, 50)
    sweep = load_config(None, None, {})
    assert (sweep.name, sweep.margins, sweep.lrs, len(sweep.seeds)) == ("sweep", (0.2, 0.5, 1.0), (3e-4, 1e-3), 13)
    paper = load_config("paper", None, {})
    assert (paper.margins, paper.lrs, paper.batch_size, paper.epochs, len(paper.seeds)) == ((1.0,), (1e-3,), 64, 50, 13)


def test_options_override_the_file_and_the_file_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("margins: [0.3]\nepochs: 7\nsynthetic: {spread: 2.0}\n")
    config = load_config("demo", file, {"epochs": "9", "seeds": ["3", "5"], "datasets": ["all"]})
    assert (config.name, config.margins, config.epochs, config.seeds) == ("mine", (0.3,), 9, (3, 5))
    assert config.synthetic.spread == 2.0
    assert "digits" in config.datasets


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"datasets": ["digit"]}, "--datasets: unknown dataset 'digit': did you mean 'digits'?"),
        ({"losses": ["triplets"]}, "--losses: unknown loss 'triplets': did you mean 'triplet'?"),
        ({"miners": ["semi-hard"]}, "--miners: unknown miner 'semi-hard': did you mean 'semihard'?"),
        ({"margins": ["0"]}, "--margins: input should be greater than 0 (got '0')"),
        ({"margins": ["-1"]}, "--margins: input should be greater than 0"),
        ({"margins": ["nan"]}, "--margins: input should be a finite number"),
        ({"margins": ["wide"]}, "--margins: input should be a valid number"),
        ({"lrs": ["0"]}, "--lrs: input should be greater than 0"),
        ({"lrs": ["-0.1"]}, "--lrs: input should be greater than 0"),
        ({"lrs": ["inf"]}, "--lrs: input should be a finite number"),
        ({"lrs": ["fast"]}, "--lrs: input should be a valid number"),
        ({"seeds": ["0"]}, "--seeds: a study needs at least one seed"),
        ({"seeds": ["1", "-2"]}, "--seeds: input should be greater than or equal to 0"),
        ({"epochs": "0"}, "--epochs: input should be greater than or equal to 1"),
        ({"batch_size": "1"}, "--batch-size: input should be greater than or equal to 2"),
        ({"datasets": ["mnits"]}, "--datasets: unknown dataset 'mnits': did you mean 'mnist'?"),
        ({"datasets": ["folder:"]}, "--datasets: 'folder:' needs a path"),
        ({"datasets": ["folder:/a/b", "folder:/c/b"]}, "two of the datasets are called 'folder:b'"),
        ({"encoder": ["mnist"]}, "--encoder: 'mnist' should be NAME=VALUE, as in mnist=cnn"),
        ({"encoder": ["mnist=cnn"]}, "--encoder mnist=cnn: the study has no dataset 'mnist'"),
        ({"encoder": ["digits=cnn"]}, "--encoder digits=cnn: digits holds vectors, no images"),
        ({"datasets": ["mnist"], "encoder": ["mnist=resnet5"]}, "--encoder: unknown encoder 'resnet5': did you mean"),
        ({"datasets": ["mnist"], "augment": True}, "--augment: no dataset of this study is read by a cnn that could"),
        ({"weights": ["vit_b32=/w.pth"]}, "--weights vit_b32=...: no encoder of this study is the backbone 'vit_b32'"),
        ({"weights": ["/w.pth"]}, "--weights: '/w.pth' should be NAME=VALUE, as in vit_b_32=FILE"),
        ({"split": "open"}, "--split: unknown split 'open': choose from closed, disjoint"),
        ({"sampler": "shufle"}, "--sampler: unknown sampler 'shufle': did you mean 'shuffle'?"),
        ({"name": "../escape"}, "--name: '../escape' is no study name"),
        ({"name": "a/b"}, "no path separators"),
        ({"name": ".."}, "is no study name"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"embedding_dim": "100000000000"}, "--embedding-dim: input should be less than or equal to 65536"),
    ],
)
def test_bad_input_gets_one_clear_line(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("demo", None, options)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_dataset_has_its_readings_unless_others_are_asked_for() -> None:
    everything = load_config(
        "demo", None, {"datasets": ["all"], "encoder": ["mnist=mlp", "cub200=resnet50,vit_b_32+mlp"]}
    )
    assert everything.readings() == [
        ("synthetic", "mlp"),
        ("digits", "mlp"),
        ("mnist", "mlp"),
        ("cifar10", "cnn"),
        ("cifar10", "vit_b_32"),
        ("cub200", "resnet50"),
        ("cub200", "vit_b_32+mlp"),
        ("cars196", "vit_b_32"),
    ]
    folder = load_config("demo", None, {"datasets": ["folder:/data/a,b/birds"], "encoder": ["folder:birds=cnn"]})
    assert folder.readings() == [("folder:/data/a,b/birds", "cnn")]


@pytest.mark.parametrize(
    "content",
    ["- a list", "margins: [", "\x00", "margin: [1.0]", "!!python/object/apply:os.getcwd []", "a: 2024-13-45"],
)
def test_a_bad_file_gets_one_clear_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_config("demo", file, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("marginz: [1.0]", "study.yaml: unknown field 'marginz'; did you mean 'margins'?"),
        ("seeds: {a: b}", "study.yaml: seeds: input should be a list"),
        ("synthetic: {spred: 1.0}", "study.yaml: unknown field 'synthetic.spred'"),
        ("synthetic: {spread: -1.0}", "study.yaml: synthetic: needs at least 2 classes"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_the_file(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_config("demo", file, {"epochs": "3"})
    assert expected in str(caught.value)


def test_a_missing_file_and_an_unknown_preset_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*absent\.yaml"):
        load_config("demo", tmp_path / "absent.yaml", {})
    with pytest.raises(ConfigError, match="did you mean 'sweep'"):
        load_config("sweeep", None, {})
