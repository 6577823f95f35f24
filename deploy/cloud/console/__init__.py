"""The web console: what runs where, for people, and what may be halted; pages are made by the service."""
