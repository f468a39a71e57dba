"""Where the runs of a study are shown: an address of each at MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from analysis.metrics import SCORE


@dataclass(frozen=True)
class RunAddresses:
    """The pages of MLflow on which runs are found by their keys, whatever their ids there.

    Attributes:
        base: MLflow's own address, of `http` or `https`.
        experiment: The id of the study's experiment.
    """

    base: str
    experiment: str

    def __post_init__(self) -> None:
        """Takes the user and the password out of the address.

        Raises:
            ValueError: If it is none of `http` or `https`.
        """
        parts = urlsplit(self.base)
        if parts.scheme not in ("http", "https"):
            raise ValueError("runs are shown at an address of http or https")
        netloc = parts.netloc.rpartition("@")[2]
        object.__setattr__(self, "base", parts._replace(netloc=netloc, query="", fragment="").geturl().rstrip("/"))

    def of(self, key: str) -> str:
        """Where the run with a key is listed alone: sorted by a metric, as MLflow else folds it below the study's."""
        only = quote(f'tags.key = "{key}"', safe="")
        order = quote(f"metrics.`{SCORE.column}`", safe="")
        options = f"searchFilter={only}&orderByKey={order}&orderByAsc=false&compareRunsMode=TABLE"
        return f"{self.base}/#/experiments/{quote(self.experiment)}/runs?{options}&workflowType=machine_learning"
