"""What a task is once it is packed: manifest, card, policy, version, and what changes between two. Pure."""
