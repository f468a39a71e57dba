from __future__ import annotations

from collections import Counter

import pytest

from study.command import SECTIONS, command_parser, read_command
from study.config.model import StudyConfig


def test_every_field_of_a_study_stands_in_one_section_of_the_help() -> None:
    listed = Counter(name for names in SECTIONS.values() for name in names)
    assert set(listed) == set(StudyConfig.model_fields)
    assert set(listed.values()) == {1}


def test_the_help_has_sections_examples_and_exit_codes() -> None:
    text = command_parser().format_help()
    assert all(f"\n{title}:\n" in text for title in SECTIONS)
    assert "\nexamples:\n  python -m study.run --preset demo\n" in text
    assert "exit status: 0; 1 if runs failed" in text


@pytest.mark.parametrize(
    ("given", "answers"),
    [
        (["--normalize"], (True,)),
        (["--no-normalize"], (False,)),
        (["--normalize", "false", "true"], (False, True)),
        (["--normalize", "--no-normalize"], (False,)),
        ([], (False,)),
    ],
)
def test_normalisation_is_switched_on_or_off_or_left_to_tuning(given: list[str], answers: tuple[bool, ...]) -> None:
    config, _ = read_command(["--preset", "demo", *given])
    assert config.normalize.shared == answers


def test_each_loss_may_normalise_or_not() -> None:
    config, _ = read_command(["--preset", "demo", "--normalize", "contrastive=true", "triplet=false"])
    assert (config.normalize.of("contrastive"), config.normalize.of("triplet")) == ((True,), (False,))
