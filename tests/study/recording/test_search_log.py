"""The searches of a study, as Optuna reads them."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from study.data.sources import find_datasets
from study.recording.search_log import FILE, SearchLog
from study.search.cohorts import Cohort, cohorts
from tests.study.search.examples import HALVING, run_score, searched, to_the_end


@pytest.fixture
def cohort() -> Cohort:
    """The searches of one loss, of two brackets for each of two seeds."""
    config = searched(settings=18, **HALVING)
    return cohorts(config, find_datasets(config)[0])[0]


def opened(folder: Path) -> dict[str, optuna.Study]:
    storage = JournalStorage(JournalFileBackend(str(folder / FILE)))
    return {name: optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)}


def test_optuna_opens_every_search_with_its_settings_scores_and_what_was_stopped(
    cohort: Cohort, tmp_path: Path
) -> None:
    runs = to_the_end(cohort.asked)
    log = SearchLog(tmp_path)
    log.add(cohort.trials({run.key: run_score(run) for run in runs}))
    studies = opened(tmp_path)
    assert sorted(studies) == [f"digits mlp contrastive seed {seed}" for seed in (0, 1)]
    for seed, study in enumerate(studies.values()):
        own = [run for run in runs if run.member.seed == seed]
        states = [trial.state for trial in study.trials]
        assert (len(states), states.count(TrialState.COMPLETE)) == (19, 3), "with the default setting"
        best = max((run for run in own if run.structure.stop_at is None), key=run_score)
        assert study.best_params == {"margin": best.member.margin, "lr": best.member.lr}
        assert study.best_value == run_score(best)
        assert {tuple(sorted(trial.intermediate_values)) for trial in study.trials} == {
            (6,),
            (6, 17),
            (6, 17, 50),
            (50,),
        }
        assert set(optuna.importance.get_param_importances(study)) == {"margin", "lr"}


def test_searches_are_added_to_as_they_go_on(cohort: Cohort, tmp_path: Path) -> None:
    whole = {run.key: run_score(run) for run in to_the_end(cohort.asked)}
    log = SearchLog(tmp_path)
    log.add(cohort.trials({}))
    before = (tmp_path / FILE).read_text()
    assert [len(study.trials) for study in opened(tmp_path).values()] == [0, 0]
    log.add(cohort.trials(whole))
    assert (tmp_path / FILE).read_text() == before, "it was written a moment ago"
    log.write()
    after = (tmp_path / FILE).read_text()
    assert after.startswith(before)
    assert [len(study.trials) for study in opened(tmp_path).values()] == [19, 19]
    log.add(cohort.trials(whole))
    log.write()
    assert (tmp_path / FILE).read_text() == after


def test_a_study_without_searches_has_no_file(tmp_path: Path) -> None:
    config = searched(search="grid", settings=None, margins=["1"], lrs=["1e-3"])
    log = SearchLog(tmp_path)
    for each in cohorts(config, find_datasets(config)[0]):
        log.add(each.trials({}))
    log.write()
    assert not list(tmp_path.iterdir())
