"""The datasets of a study: finding their files, and preparing each once.

Imports: `config`, `progress`, and `trainables`.
"""
