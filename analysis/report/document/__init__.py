"""The report as one document: tables, sentences and captions, put into an order that every form follows.

Imports: `figures`, findings and what these may import.
"""
