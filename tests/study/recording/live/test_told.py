"""What is known of a pack in training."""

from __future__ import annotations

import numpy as np

from study.recording.live.told import LivePack
from tests.study.recording.live.news import news, told
from tests.study.recording.records import record
from trainables.training.live_points import LivePoints

PACK = record(["a", "b", "c"])


def points(*epochs: int) -> list[tuple[str, int, float]]:
    return [("train/loss", epoch, 1.0 / (epoch + 1)) for epoch in epochs]


def test_news_are_what_was_not_shown_yet() -> None:
    pack = told(PACK, [0, 1])
    assert (pack.news(2), pack.shown(2), pack.has_news) == (points(0, 1), [], True)
    pack.all_shown()
    assert (pack.news(2), pack.shown(2), pack.has_news) == ([], points(0, 1), False)
    pack.add(news(PACK, [2]).points)
    assert (pack.news(2), pack.shown(2), pack.known(2)) == (points(2), points(0, 1), points(0, 1, 2))


def test_what_a_training_that_begins_anew_tells_again_is_no_news() -> None:
    pack = told(PACK, [0, 1, 2])
    pack.all_shown()
    pack.add(news(PACK, [0, 1], add=0.1).points)
    assert not pack.has_news
    pack.add(news(PACK, [0, 1, 2, 3]).points)
    assert (pack.news(0), pack.known(0)) == (points(3), points(0, 1, 2, 3))


def test_a_pack_that_is_halved_tells_of_each_half_by_itself() -> None:
    pack = told(PACK, [0, 1])
    ((whole),) = news(PACK, [0, 1, 2]).points
    for half in (slice(0, 1), slice(1, 3)):
        pack.add([LivePoints(half.start, whole.keys, whole.values[:, half])])
    assert [pack.known(member) for member in range(3)] == [points(0, 1, 2)] * 3


def test_what_a_member_has_not_is_not_told() -> None:
    pack = LivePack(news(PACK, [0]))
    pack.add([LivePoints(0, (("train/loss", 0), ("train/loss", 1)), np.array([[1.0, np.nan, np.inf], [np.nan] * 3]))])
    assert [pack.known(member) for member in range(3)] == [[("train/loss", 0, 1.0)], [], []]
