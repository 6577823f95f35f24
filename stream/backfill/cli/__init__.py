"""Commands over recorded events: a file per command; `options` has what several of them take."""
