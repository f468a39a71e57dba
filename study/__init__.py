"""The study: configuration, planning, training on Ray, and recording in MLflow.

`run` is the command; `config` what it may be told; `grid` turns that into runs and packs; `scheduling` trains them on
Ray; `tracking` fills MLflow from the records that `analysis.records` keeps.
"""
