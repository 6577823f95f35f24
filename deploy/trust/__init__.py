"""What a device believes: keys, a TUF repository and its client, and signed assignments."""
