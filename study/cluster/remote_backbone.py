"""Runs a frozen backbone on a machine of the cluster, if the driver's machine has no GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
import torch
from ray.exceptions import RayError
from torch import Tensor

from study.cluster.connection import CPUS_PER_PACK, ClusterError
from trainables.devices import limit_memory
from trainables.networks.backbones import FeatureExtractor, embed, load_backbone
from trainables.provenance import code_version

IN_FLIGHT = 4  # batches of some 40 MB: enough to keep the network busy, few enough for any object store
RESTARTS = 20  # of the actor, whose process or preemptible machine may die


def run_on_cluster(backbone: str, model: torch.nn.Module, gpus: float) -> FeatureExtractor:
    """Runs a backbone in a Ray actor, which lives as long as there are batches.

    Weights and batches travel through the object store. An actor that dies is started again on any free machine, and
    gets the batches whose features have not come back.

    Args:
        backbone: Its name.
        model: The network, as `load_backbone` gives it.
        gpus: The fraction of a GPU that the actor takes; zero for a CPU.

    Returns:
        An extractor that raises `ClusterError` if its actor cannot work, or has died more than `RESTARTS` times.
    """
    state = ray.put(model.state_dict())
    actor_class = ray.remote(_Embedder).options(
        num_cpus=CPUS_PER_PACK, num_gpus=gpus, max_restarts=RESTARTS, max_task_retries=-1
    )

    def network(batches: Iterator[Tensor]) -> Iterator[Tensor]:
        actor = actor_class.remote(gpus)
        # A batch is kept until its features are here: a node that dies takes finished features with it.
        waiting: deque[tuple[Any, Any]] = deque()
        try:
            for batch in batches:
                sent = ray.put(batch.numpy())
                waiting.append((sent, actor.embed.remote(backbone, [state], sent, code_version())))
                if len(waiting) == IN_FLIGHT:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        except RayError as error:
            reason = " ".join(str(getattr(error, "cause", None) or error).split())[:300]
            raise ClusterError(f"{backbone} does not run on the cluster ({reason})") from None
        finally:
            # A traceback would keep these references until Ray has ended.
            waiting.clear()
            sent = actor = None

    return network


def _next(waiting: deque[tuple[Any, Any]]) -> Tensor:
    embedded = torch.tensor(ray.get(waiting[0][1]))
    waiting.popleft()
    return embedded


class _Embedder:
    """The actor. It loads the network with its first batch."""

    def __init__(self, gpus: float) -> None:
        self._gpus = gpus
        self._model: torch.nn.Module | None = None

    def embed(
        self, backbone: str, state: list[Any], batch: npt.NDArray[np.float32], version: str
    ) -> npt.NDArray[np.float32]:
        """Features [B, F] of a batch [B, 3, H, W].

        Args:
            backbone: Its name.
            state: A reference to the network's state dict. It is in a list, so that Ray does not fetch it each time.
            batch: The batch.
            version: The version of the driver's code and libraries.

        Raises:
            RuntimeError: If this node has another version.
        """
        if version != code_version():
            raise RuntimeError(f"a node has version {code_version()}, this session {version}: install the same on both")
        device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
        if self._model is None:
            limit_memory(device, self._gpus)
            model = load_backbone(backbone, None)
            model.load_state_dict(ray.get(state[0]))
            self._model = model.to(device)
        return embed(self._model, torch.tensor(batch), device).numpy()
