"""Measurements on made workloads: engines of every mode, and what one would write in their place."""
