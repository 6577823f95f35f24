"""Bundles as bytes: from a task's folder, in one file, in a store with their history, and proved."""
