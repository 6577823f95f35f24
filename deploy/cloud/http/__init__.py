"""The service over HTTP: a table of routes, each with who may ask, what it takes and what it gives."""
