"""The tables of MLflow's database that hold runs."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import create_engine, text

TABLES = {
    "runs": "run_uuid",
    "tags": "run_uuid, key",
    "params": "run_uuid, key",
    "metrics": "run_uuid, key, step",
    "latest_metrics": "run_uuid, key",
}


def content(uri: str) -> dict[str, pd.DataFrame]:
    """The tables, with the runs' keys in place of their ids."""
    engine = create_engine(uri)
    with engine.connect() as connection:
        tables = {table: pd.read_sql(text(f"SELECT * FROM {table}"), connection) for table in TABLES}
    engine.dispose()
    tags = tables["tags"]
    keys = tags[tags["key"] == "key"].set_index("run_uuid")["value"].to_dict()
    artifacts = tables["runs"]["artifact_uri"].str.rsplit("/", n=2, expand=True)
    tables["runs"]["artifact_uri"] = artifacts[1].map(keys) + "/" + artifacts[2]
    return {
        table: tables[table].replace(keys).sort_values(order.split(", "), ignore_index=True)
        for table, order in TABLES.items()
    }
