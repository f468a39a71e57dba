"""MLflow's database, where the machine reaches it: runs are read from its tables and written into them.

Imports go one way: runs > connection. Nothing here imports MLflow.
"""
