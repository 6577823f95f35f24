"""Recorded events in: from any source to flat Arrow batches of the columns that are needed, and no others."""
