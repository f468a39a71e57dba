"""Reads files that strangers may have made: what is checked is what is loaded, and nothing larger than it may be.

May import `datasets.errors`.
"""
