"""Searches: what each seed tries for each loss, given what it has seen of its own runs, and no other's.

Imports: `planning`, `config` and Optuna's samplers. It knows neither Ray nor records.
"""
