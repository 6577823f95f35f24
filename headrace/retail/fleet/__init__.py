"""The shop as a fleet: fifty tills that rank, a release that is good, and one that is not."""
