from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from analysis.comparison.pairing import DEFAULT_SETTING
from analysis.metrics import LARGEST
from study.command import command_parser
from study.config.levels import may_be
from study.config.loading import ConfigError, load_config, preset_names
from study.config.model import StudyConfig
from study.data.sources import find_datasets
from study.planning.grid import expand


def test_presets_are_the_studies_that_they_promise() -> None:
    assert preset_names() == ["demo", "paper", "sweep"]
    demo = load_config("demo", None, {})
    assert (demo.name, demo.storage) == ("demo", Path.cwd() / "results")
    assert (demo.search, demo.budget, demo.rung_epochs, demo.settings_at_rungs) == ("sobol", 8, (3, 50), (8, 3))
    assert demo.datasets == ("synthetic", "digits")
    assert demo.miners.shared == ("all",)
    assert (demo.lrs.shared, len(demo.seeds), demo.epochs) == ((1e-3,), 13, 50)
    sweep = load_config(None, None, {})
    assert (sweep.name, len(sweep.seeds)) == ("sweep", 13)
    assert sweep.miners.shared == ("all", "semihard", "hard")
    assert len(expand(sweep, find_datasets(sweep)[0])) == 3744
    assert sweep.lrs.shared == (1e-4, 3e-4, 1e-3, 1e-2)
    paper = load_config("paper", None, {})
    assert (paper.margins.shared, paper.lrs.shared) == ((1.0,), (1e-3,))
    assert (paper.batch_size.shared, paper.epochs, len(paper.seeds)) == ((64,), 50, 13)


def test_sentence_5_every_preset_has_the_default_setting() -> None:
    for name in preset_names():
        config = load_config(name, None, {})
        for loss in config.losses:
            assert DEFAULT_SETTING.miner in config.miners.of(loss)
            assert may_be(DEFAULT_SETTING.margin, config.margins.of(loss))
            assert may_be(DEFAULT_SETTING.lr, config.lrs.of(loss))
        assert config.tries_default


def test_a_presets_margins_of_losses_that_are_left_out_are_left_out() -> None:
    alone = load_config("demo", None, {"losses": ["triplet"]})
    assert alone.margins.of("triplet") == load_config("demo", None, {}).margins.of("triplet")
    with pytest.raises(ConfigError, match="the study has no loss 'contrastive'"):
        load_config("demo", None, {"losses": ["triplet"], "margins": ["contrastive=1", "triplet=1"]})


def test_options_override_the_file_and_the_file_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("margins: [0.3]\nepochs: 7\nsynthetic: {spread: 2.0}\n")
    config = load_config("demo", file, {"epochs": "9", "seeds": ["3", "5"], "datasets": ["all"]})
    assert (config.name, config.margins.shared, config.epochs, config.seeds) == ("mine", (0.3,), 9, (3, 5))
    assert config.synthetic.spread == 2.0
    assert "digits" in config.datasets


def test_all_that_yaml_knows_is_an_option() -> None:
    options = {action.dest for action in command_parser()._actions}
    assert set(StudyConfig.model_fields) <= options
    config = load_config("demo", None, {"synthetic": ["spread=1.5", "classes=4"], "image_size": "32"})
    assert (config.synthetic.spread, config.synthetic.classes, config.image_size) == (1.5, 4, 32)


def test_regions_of_equivalence_are_an_option_and_a_field_and_part_of_no_runs_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("rope: {map_at_r: 0.02, intra_variance: 1.2}")
    config, plain = load_config("demo", file, {}), load_config("demo", None, {})
    assert config.rope == {"map_at_r": 0.02, "intra_variance": 1.2}
    given = command_parser().parse_args(["--rope", "map_at_r=0.02", "intra_variance=1.2"]).rope
    assert load_config("demo", None, {"rope": given}).rope == config.rope
    keys, others = ([run.key for run in expand(one, find_datasets(one)[0])] for one in (config, plain))
    assert keys == others


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"datasets": ["digit"]}, "--datasets: unknown dataset 'digit': did you mean 'digits'?"),
        ({"datasets": ["folder:/data/b\udcff"]}, "--datasets: the name of 'folder:/data/b\\udcff' is no UTF-8"),
        ({"losses": ["triplets"]}, "--losses: unknown loss 'triplets': did you mean 'triplet'?"),
        ({"miners": ["semi-hard"]}, "--miners: unknown miner 'semi-hard': did you mean 'semihard'?"),
        ({"synthetic": ["sprad=1"]}, "unknown field 'synthetic.sprad'; did you mean 'synthetic.spread'?"),
        ({"synthetic": ["spread=wide"]}, "--synthetic spread: input should be a valid number"),
        ({"synthetic": ["1.5"]}, "--synthetic: '1.5' should be NAME=VALUE, as in spread=1.5 overlap=0.1"),
        ({"rope": ["map_at=0.02"]}, "--rope: unknown metric 'map_at': did you mean 'map_at_r'?"),
        ({"rope": ["0.02"]}, "--rope: '0.02' should be NAME=VALUE, as in map_at_r=0.02"),
        ({"rope": ["map_at_r=wide"]}, "--rope map_at_r: input should be a valid number"),
        (
            {"rope": ["map_at_r=2"]},
            "--rope: the region of practical equivalence of map_at_r must be a share between 0 and 1",
        ),
        ({"margins": ["0"]}, "--margins: input should be greater than 0 (got '0')"),
        ({"margins": ["-1"]}, "--margins: input should be greater than 0"),
        ({"margins": ["nan"]}, "--margins: input should be a finite number"),
        ({"margins": ["wide"]}, "--margins: input should be a valid number"),
        ({"lrs": ["0"]}, "--lrs: input should be greater than 0"),
        ({"lrs": ["-0.1"]}, "--lrs: input should be greater than 0"),
        ({"lrs": ["inf"]}, "--lrs: input should be a finite number"),
        ({"lrs": ["1e101"]}, f"--lrs: a level is at most {LARGEST:g}, the largest number that a record holds"),
        ({"lrs": ["1..1e101"]}, f"--lrs: the range '1..1e101' ends above {LARGEST:g}"),
        ({"lrs": ["fast"]}, "--lrs: input should be a valid number"),
        ({"margins": [","]}, "--margins: needs at least one value (got [','])"),
        (
            {"margins": ["tripet=1", "contrastive=2"]},
            "--margins: the study has no loss 'tripet': did you mean 'triplet'?",
        ),
        (
            {"losses": "triplet", "lrs": ["triplet=1", "contrastive=2"]},
            "--lrs: the study has no loss 'contrastive': its",
        ),
        (
            {"margins": ["triplet=1"]},
            "--margins: no values for the loss 'contrastive', and some for triplet: give each",
        ),
        (
            {"margins": ["triplet="]},
            "--margins: 'triplet=' should be NAME=VALUES, as in contrastive=0.5,2,8 triplet=0.1",
        ),
        ({"margins": ["=1"]}, "--margins: '=1' should be NAME=VALUES, as in"),
        (
            {"margins": ["triplet=1", "2", "contrastive=2"]},
            "--margins: '2' would be for every loss, and others are for one",
        ),
        ({"margins": ["0.5,triplet=1", "contrastive=2"]}, "--margins: '0.5,triplet=1' would be for every loss, and"),
        (
            {"margins": ["triplet=0", "contrastive=2"]},
            "--margins of 'triplet': input should be greater than 0 (got '0')",
        ),
        ({"margins": ["triplet=,", "contrastive=2"]}, "--margins of 'triplet': needs at least one value"),
        (
            {"miners": ["triplet=har", "contrastive=all"]},
            "--miners of 'triplet': unknown miner 'har': did you mean 'hard'?",
        ),
        (
            {"margins": ["contrastive=0.5,2", "triplet=1"]},
            "every loss needs as many settings (--miners x --margins x --lrs), for the best of more is better by "
            "chance: contrastive has 1 x 2 x 1 = 2, triplet has 1 x 1 x 1 = 1",
        ),
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


def test_each_dataset_has_its_own_encoders_unless_others_are_given() -> None:
    everything = load_config(
        "demo", None, {"datasets": ["all"], "encoder": ["mnist=mlp", "cub200=resnet50,vit_b_32+mlp"]}
    )
    assert everything.dataset_encoders() == [
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
    assert folder.dataset_encoders() == [("folder:/data/a,b/birds", "cnn")]


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
        (
            "margins: {triplet: [0.2]}",
            "study.yaml: margins: no values for the loss 'contrastive', and some for triplet",
        ),
        ("margins: {triplet: [0], contrastive: 1}", "study.yaml: margins of 'triplet': input should be greater than 0"),
        ("margins: {}", "study.yaml: margins: no values for the loss 'contrastive'"),
        ("lrs: {no: 0.1}", "study.yaml: lrs: the study has no loss 'False': its losses are contrastive, triplet"),
        ("lrs: {triplet: , contrastive: 1}", "study.yaml: lrs of 'triplet': input should be a list (got None)"),
        (
            "margins: 1\nminers: {triplet: all, contrastive: [all, hard]}",
            "study.yaml: every loss needs as many settings",
        ),
        (
            "rope: {recal_at_1: 0.02}",
            "study.yaml: rope: unknown metric 'recal_at_1': did you mean 'recall_at_1'?",
        ),
        (
            "rope: {intra_variance: 0.2}",
            "study.yaml: rope: the region of practical equivalence of intra_variance must be a finite factor above 1",
        ),
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


def test_a_grid_that_is_too_large_is_counted_and_not_listed(tmp_path: Path) -> None:
    values = ", ".join(str(value) for value in range(1, 1001))
    file = tmp_path / "mine.yaml"
    file.write_text(f"margins: [{values}]\nlrs: [{values}]\nseeds: 100000\n")
    started = time.monotonic()
    with pytest.raises(ConfigError, match=r"are 1200000000000 runs, more than 100000: .* raise --most-runs$"):
        load_config(None, file, {})
    assert time.monotonic() - started < 5
    small = {"margins": [1], "lrs": [0.1], "miners": ["all"], "seeds": 5}
    with pytest.raises(ConfigError, match="are 20 runs, more than 19"):
        load_config(None, None, {**small, "most_runs": 19})
    assert load_config(None, None, {**small, "most_runs": 20}).most_runs == 20


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("synthetic: {dim: 1" + "0" * 90 + "}", "synthetic: .* set STUDY_LIMITS=10"),
        ("synthetic: {dim: 1000000000}", "synthetic: .* set STUDY_LIMITS=10"),
        ("synthetic: {classes: 1000000000, samples_per_class: 1000000000}", "set STUDY_LIMITS=10"),
        ("seeds: [0, 1" + "0" * 90 + "]", "seeds: .*less than"),
        ("batch_size: 0x" + "f" * 5000, "line 1: an integer has more than 100 digits"),
        ("epochs: &a [1]\nseeds: *a", "line 2: aliases such as"),
        ("epochs: " + "[" * 100_000, "nested|nesting"),
        ('name: "a\\e[2J\\u202e\\nb"', r"is no study name"),
        ('"a\\e[2J": 1', "unknown field"),
        ("epochs: " + "x" * 10_000, r"epochs: .*got 'x+…"),
    ],
    ids=lambda text: text[:30],
)
def test_what_a_stranger_writes_is_one_line(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(None, file, {})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1200
