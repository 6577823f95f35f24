"""Sealed blocks: how events at rest are laid out in bytes, and which events are sealed, joined and taken out.

Everything here but `shelf` is pure: bytes in, columns out. Whoever reads a log without blocks loads none of it.
"""
