"""The cluster file is one that Ray takes, with versions that the project allows and nothing open to the world."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from ray.autoscaler._private.util import prepare_config, validate_config
from sqlalchemy.engine import make_url

from study.cluster.connection import GPUS_TO_COME

ROOT = Path(__file__).parents[1]


@pytest.fixture
def cluster() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    assert isinstance(content, dict)
    return content


def test_ray_accepts_the_cluster_file(cluster: dict[str, Any]) -> None:
    validate_config(prepare_config(cluster))


def test_rays_check_can_fail(cluster: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="max_wurkers"):
        validate_config(prepare_config({**cluster, "max_wurkers": 3}))


def test_its_version_of_ray_is_one_that_the_project_allows(cluster: dict[str, Any]) -> None:
    (version,) = re.findall(r"ray\[default,tune\]==([\d.]+)", " ".join(cluster["setup_commands"]))
    dependencies = re.findall(r'^ {4}"(ray\[tune\][^"]*)",$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert Requirement(dependencies[0]).specifier.contains(version)


def test_the_head_trains_nothing_and_the_workers_are_preemptible_gpus(cluster: dict[str, Any]) -> None:
    nodes = cluster["available_node_types"]
    assert nodes[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    assert nodes["gpu_worker"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert nodes["gpu_worker"]["min_workers"] == 0


def test_packs_are_shaped_for_as_many_gpus_as_may_come(cluster: dict[str, Any]) -> None:
    assert cluster["max_workers"] == cluster["available_node_types"]["gpu_worker"]["max_workers"] == GPUS_TO_COME


def test_the_study_writes_into_the_database_that_the_server_shows(cluster: dict[str, Any]) -> None:
    made, served = re.findall(
        r"(?:db upgrade|--backend-store-uri) (\S+)", "\n".join(cluster["head_start_ray_commands"])
    )
    (written,) = re.findall(r"export MLFLOW_TRACKING_URI=([^']+)", " ".join(cluster["head_setup_commands"]))
    assert made == served == written


def test_the_driver_of_postgresql_that_it_names_is_the_one_that_tests_use() -> None:
    (address,) = re.findall(r"postgresql\S*://\S+", (ROOT / "cluster.yaml").read_text())
    assert make_url(address).drivername == "postgresql+psycopg"
    for file in ("cluster.yaml", "pyproject.toml"):
        assert '"psycopg[binary]' in (ROOT / file).read_text()


def test_no_server_of_the_cluster_is_open_to_the_world(cluster: dict[str, Any]) -> None:
    commands = " ".join(cluster["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in commands
    assert "mlflow server --host $(hostname -I" in commands
    assert "pkill -f" not in commands, "it would find the shell that runs it"
    assert "0.0.0.0" not in (ROOT / "cluster.yaml").read_text()
