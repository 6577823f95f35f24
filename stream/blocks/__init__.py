"""Sealed blocks: how events at rest are laid out in bytes, and which events are sealed, joined and taken out.

All of it is pure: values in, bytes out, and back. Who reads a log without blocks does not load it.
"""
