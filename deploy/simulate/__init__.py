"""Releases and fleets that are not there: what gates, machines and shares would do."""
