"""The front door: command line, demo and bench. It re-exports nothing of the rooms behind it."""

__all__ = ["__version__"]

__version__ = "0.1.0"
