"""Pure PyTorch training of many small metric-learning runs at once.

Everything here is batched over the K members of a *pack*: tensors carry the member as their first dimension,
and no operation mixes members, so a run's result does not depend on the pack that it is in.

Reading order: `spec` (what a pack is) -> `training` (the loop) -> `objective` (miner and loss on one batch)
-> `miners`, `losses`, `all_triplets` -> `evaluation`. Only `tune_adapter` knows Ray; nothing here knows MLflow.
"""
