"""The networks that embed samples, and the stacked parameters of a pack.

May import `datasets`.
"""
