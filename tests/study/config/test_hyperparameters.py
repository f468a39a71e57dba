from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.config.loading import ConfigError, load_config
from study.config.model import StudyConfig


def demo(**options: Any) -> StudyConfig:
    return load_config("demo", None, options)


def test_a_rate_and_a_decay_that_would_turn_weights_round_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"a learning rate of 0\.001 with a weight decay of 10000 \('contrastive'\)"):
        demo(weight_decays="1e4")
    assert demo(weight_decays="100").weight_decays.shared == (100.0,)


def test_a_range_of_weight_decays_alone_is_a_search_too() -> None:
    config = demo(margins="0.5,1,2", weight_decays="1e-6..1e-2")
    assert (config.search, config.budget) == ("sobol", 8)
    assert demo(margins="0.5,1,2", weight_decays="0,1e-4").search == "grid"


def test_normalising_changes_the_margins_of_a_preset_alone() -> None:
    assert demo(normalize=True).lrs == demo().lrs
    assert demo(normalize=True).margins != demo().margins
    each = demo(normalize=["contrastive=true", "triplet=false"])
    assert each.margins.of("contrastive") == demo(normalize=True).margins.of("contrastive")
    assert each.margins.of("triplet") == demo().margins.of("triplet")


def test_the_default_setting_has_the_least_weight_decay_that_both_losses_try() -> None:
    config = demo(margins="1,2", weight_decays=["contrastive=0,1e-4,1e-3", "triplet=1e-4,1e-3,1e-2"])
    assert config.default_setting is not None
    assert config.default_setting["weight_decay"] == 1e-4


def test_a_file_for_two_losses_serves_one_of_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("batch_size: {contrastive: [32], triplet: [64]}\nmargins: {contrastive: [1], triplet: [2]}\n")
    config = load_config("demo", file, {"losses": ["triplet"]})
    assert (config.batch_size.of("triplet"), config.margins.of("triplet")) == ((64,), (2.0,))
