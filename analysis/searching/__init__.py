"""What a search tells of its hyperparameters: how much each matters, and how well which margins and rates score.

Imports: `comparison`, `statistics`, and what these may import; Optuna for the shares of variance alone.
"""
