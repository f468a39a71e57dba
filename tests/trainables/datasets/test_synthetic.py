from __future__ import annotations

import pytest
import torch

from trainables.datasets.errors import DatasetError
from trainables.datasets.splits import split_dataset
from trainables.datasets.synthetic import SyntheticOptions, check_draws, cluster_draws, make_clusters


def test_synthetic_clusters_obey_their_options() -> None:
    draw = torch.Generator().manual_seed(0)
    inputs, labels = make_clusters(SyntheticOptions(spread=0.5, overlap=0.0, outliers=0.0), draw)
    assert inputs.shape == (2000, 128)
    assert torch.bincount(labels).tolist() == [200] * 10
    assert float(inputs[labels == 3].std(0).mean()) == pytest.approx(0.5, rel=0.05)
    draw = torch.Generator().manual_seed(0)
    wide, _ = make_clusters(SyntheticOptions(spread=0.5, overlap=0.0, outliers=1.0), draw)
    assert float(wide[labels == 3].std(0).mean()) == pytest.approx(2.5, rel=0.05)
    mixed, mixed_labels = make_clusters(
        SyntheticOptions(spread=0.01, overlap=0.3, outliers=0.0), torch.Generator().manual_seed(0)
    )
    centres = torch.stack([mixed[mixed_labels == c].median(0).values for c in range(10)])
    strayed = (torch.cdist(mixed, centres).argmin(1) != mixed_labels).double().mean()
    assert float(strayed) == pytest.approx(0.3, abs=0.05)


def test_sentence_1_each_seed_draws_its_own_clusters_always_the_same() -> None:
    draws = cluster_draws("synthetic", SyntheticOptions())
    first, again, other = draws.draw(0), draws.draw(0), draws.draw(1)
    assert torch.equal(first.inputs, again.inputs)
    centres, others = (torch.stack([d.inputs[d.labels == c].mean(0) for c in range(10)]) for d in (first, other))
    assert float(torch.cdist(centres, others).min()) > 2.0  # a cluster of one seed is none of the other's
    assert not draws.shares_test
    assert first.input_shape == draws.input_shape == (128,)
    sizes = [[len(part) for part in vars(split_dataset(draws.draw(seed), seed)).values()] for seed in range(3)]
    assert sizes == [[1200, 400, 400]] * 3


def test_the_digest_names_the_whole_family_of_draws() -> None:
    draws = cluster_draws("synthetic", SyntheticOptions())
    assert draws == cluster_draws("synthetic", SyntheticOptions())
    assert draws.digest == draws.draw(0).digest == draws.draw(1).digest
    changed = [{"classes": 11}, {"samples_per_class": 201}, {"dim": 127}, {"separation": 0.31}]
    changed += [{"spread": 1.1}, {"overlap": 0.06}, {"outliers": 0.03}]
    others = {cluster_draws("synthetic", SyntheticOptions(**values)).digest for values in changed}  # type: ignore[arg-type]
    assert len(others | {draws.digest}) == 8


def test_draws_that_are_too_small_are_refused_before_any_is_made() -> None:
    check_draws("synthetic", SyntheticOptions(classes=2, samples_per_class=8))
    with pytest.raises(DatasetError, match=r"its test part would hold 10 samples of 10 .* more classes or samples_per"):
        check_draws("synthetic", SyntheticOptions(samples_per_class=7))
    with pytest.raises(DatasetError, match="of 1 classes"):
        cluster_draws("synthetic", SyntheticOptions(classes=1))
