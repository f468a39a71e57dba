"""Hyperparameters of each loss's own: every way to write them, and the one form that they become."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from study.config.hyperparameters import PER_LOSS
from study.config.levels import Level
from study.config.loading import ConfigError, load_config
from study.config.model import StudyConfig
from study.config.per_loss import PerLoss
from study.data.sources import find_datasets
from study.planning.grid import expand
from trainables.objectives.losses import LOSSES
from trainables.objectives.miners import MINERS

OWN = PerLoss((("contrastive", (0.5, 2.0)), ("triplet", (0.2, 1.0))))


def margins_of(value: Any, **options: Any) -> PerLoss[Level]:
    return load_config("demo", None, {"margins": value, **options}).margins


@pytest.mark.parametrize(
    "written",
    [
        ["contrastive=0.5,2", "triplet=0.2,1"],
        ["triplet=0.2,1", "contrastive=0.5,2"],
        ["contrastive=0.5", "triplet=0.2,1,0.2", "contrastive=2"],
        {"contrastive": [0.5, 2], "triplet": [0.2, 1.0]},
        {"triplet": "0.2,1", "contrastive": ["0.5", "2,"]},
        OWN,
    ],
)
def test_the_values_of_each_loss_are_read_from_options_and_mappings(written: Any) -> None:
    assert margins_of(written) == OWN
    assert OWN.of("contrastive") == (0.5, 2.0)
    assert OWN.shared is None


@pytest.mark.parametrize("written", [0.5, "0.5", ["0.5"], ["contrastive=0.5", "triplet=0.5"], {"every loss": 0.5}])
def test_plain_values_are_those_of_every_loss(written: Any) -> None:
    margins = margins_of(written)
    assert margins.own == (("contrastive", (0.5,)), ("triplet", (0.5,)))
    assert margins.shared == (0.5,)


def test_one_loss_alone_has_its_own_values_too() -> None:
    assert margins_of("triplet=0.2,1", losses="triplet") == margins_of([0.2, 1], losses="triplet")


def test_losses_may_try_as_many_settings_in_different_ways() -> None:
    config = load_config(
        "demo", None, {"margins": ["contrastive=0.5,2", "triplet=1"], "lrs": ["triplet=1,2", "contrastive=1"]}
    )
    runs = expand(config, find_datasets(config)[0][:1])
    tried = {
        loss: {(run.member.margin, run.member.lr) for run in runs if run.structure.loss == loss}
        for loss in config.losses
    }
    assert tried == {"contrastive": {(0.5, 1.0), (2.0, 1.0)}, "triplet": {(1.0, 1.0), (1.0, 2.0)}}


@pytest.mark.parametrize("written", [OWN, [0.3], {"contrastive": 1, "triplet": 2}])
def test_a_configuration_that_is_written_as_yaml_is_read_as_the_same(tmp_path: Path, written: Any) -> None:
    config = load_config("demo", None, {"margins": written, "miners": ["triplet=hard", "contrastive=all"]})
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    assert load_config(None, file, {}) == config


def test_what_every_loss_tries_is_written_as_a_plain_list() -> None:
    written = load_config("demo", None, {"margins": OWN, "miners": ["triplet=hard", "contrastive=hard"]}).model_dump()
    assert written["margins"] == {"contrastive": [0.5, 2.0], "triplet": [0.2, 1.0]}
    assert (written["miners"], written["lrs"]) == (["hard"], [1e-3])


names = st.sampled_from(["contrastive", "triplet", "tripet", "every loss", "a\nb", ""])
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 2), st.floats(), st.sampled_from(["", "1", "1,2", "=", "a\nb="])
)
texts = st.builds("{}={}".format, names, st.sampled_from(["", ",", "1", "1,2", "x", "all", "triplet=1"]))
values = st.one_of(scalars, st.lists(scalars, max_size=2))
written = st.one_of(values, st.lists(st.one_of(scalars, texts), max_size=3), st.dictionaries(names, values, max_size=3))


@settings(deadline=None)
@given(field=st.sampled_from(PER_LOSS), value=written)
def test_whatever_is_written_is_a_study_or_one_line_about_it(field: str, value: Any) -> None:
    message = ""
    try:
        config = load_config("sweep", None, {field: value})
        tried = [config.tried(loss).values() for loss in config.losses]
        assert {math.prod(map(len, own)) for own in tried} == {config.budget}
    except ConfigError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1


positives = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=3)


@settings(deadline=None, max_examples=50)
@given(
    losses=st.permutations(list(LOSSES)).flatmap(lambda names: st.integers(1, len(names)).map(lambda n: names[:n])),
    written=st.fixed_dictionaries(
        {
            "miners": st.lists(st.sampled_from(list(MINERS)), min_size=1, max_size=3),
            "margins": positives,
            "lrs": positives,
        }
    ),
    mapped=st.sets(st.sampled_from(PER_LOSS)),
    as_options=st.booleans(),
)
def test_plain_values_and_equal_values_of_each_loss_are_the_same_study(
    losses: list[str], written: dict[str, list[Any]], mapped: set[str], as_options: bool
) -> None:
    def config(fields: dict[str, Any]) -> StudyConfig:
        return load_config("demo", None, {"losses": losses, "datasets": ["synthetic"], "seeds": 2, **fields})

    def of_each_loss(values: list[Any]) -> Any:
        if as_options:
            return [f"{loss}={','.join(map(str, values))}" for loss in reversed(losses)]
        return dict.fromkeys(reversed(losses), values)

    plain = config(written)
    own = config({name: of_each_loss(values) if name in mapped else values for name, values in written.items()})
    assert own == plain
    datasets, _ = find_datasets(plain)
    assert expand(own, datasets) == expand(plain, datasets)
