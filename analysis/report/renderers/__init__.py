"""One document as HTML, as Markdown, and as the text of a terminal; tables as LaTeX too.

Imports: the document and its tables.
"""
