"""What a user may ask for: presets, YAML files and options of the command, checked once.

Imports: names and registries of `trainables`, and what `analysis.store` takes for the name of a study.
"""
