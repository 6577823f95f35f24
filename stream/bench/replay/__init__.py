"""Replay and its rivals, timed alike: each in a process of its own, from columns in memory to columns.

task   the features, and where a run's files are        child   the process that is timed
ours, in_polars, in_duckdb, in_pandas, in_python, scan  who is timed: functions from a folder to a call
"""
