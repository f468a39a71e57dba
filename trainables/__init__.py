"""Pure PyTorch training of many small metric-learning runs at once, in packs.

The first dimension of every tensor is the member of the pack. No operation mixes members, so a run's result does not
depend on its pack.

Reading order:
    `pack`: what a pack is.
    `training`: `loop` trains a pack; its other modules give batches, Adam, snapshots and the history.
    `objectives`: `objective` applies a miner, then a loss, to one batch.
    `networks`: encoders and frozen backbones.
    `evaluation`: metrics of embeddings.
    `pairwise`: distances and sorting, for `objectives` and `evaluation`.
    `datasets`: datasets and their splits.
    `devices`: what a GPU needs.
    `tune_adapter`: a pack as a trial of Ray Tune.

Imports go one way: tune_adapter > training > objectives, evaluation, networks; objectives, evaluation > pairwise;
networks > datasets > random_streams. Every module may import `devices`, `pack`, `provenance` and
`random_streams`. Only `tune_adapter` imports Ray. Nothing imports MLflow, `study` or `analysis`.
"""

import os

# Without this, MKL rounds a product of matrices by where they begin in memory, and a member begins elsewhere in another
# pack. "Conditional numerical reproducibility" costs no time here. MKL reads it at its first call.
os.environ.setdefault("MKL_CBWR", "AUTO")
