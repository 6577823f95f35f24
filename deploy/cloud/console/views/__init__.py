"""What a page shows, as functions of rows: judged, worded, sorted, and nothing of HTML. Pure."""
