"""What tests of devices need: a service in memory, and lives of a device that is cut off and killed."""
