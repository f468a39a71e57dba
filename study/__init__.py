"""The study: configuration, planning, training on Ray, and recording in MLflow.

Reading order:
    `run`: the command.
    `session`: one study, from its plan to its report.
    `state`: what the study wants and has.
    `training`: trains what is missing.
    `planning`: the configuration as runs and packs, and how long they take.
    `cluster`: trains packs on Ray.
    `recording`: writes their results to records and MLflow; `sync` fills MLflow again.
    `data`, `storage`, `config`: datasets, the study's folder, and what a user may ask for.

Imports go one way: run > session > training > state, cluster, recording > planning > data > config; state and recording
> storage. Every module may import `errors` and `progress`.
"""
