"""What a run minimises: a miner chooses candidates, and a loss is the mean of their terms.

May import `pairwise`.
"""
