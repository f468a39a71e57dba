"""Ray: joining a cluster, and training packs on it.

Imports: `planning`, and `trainables` with its adapter to Ray Tune.
"""
