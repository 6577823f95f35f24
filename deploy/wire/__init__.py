"""What service and device say to each other, as bytes and as frozen structs. Pure."""
