"""One document as HTML, as Markdown, and as the text of a terminal.

Imports: the document and its tables.
"""
