"""From a configuration to runs, packs, an estimate of their time, and the plan in words.

Imports: `data`, `config`, `progress`, `trainables`, and what `analysis` knows of seeds and tests.
"""
