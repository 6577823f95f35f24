"""The service: what was published and released, what each device is answered, and what devices told."""
