"""Charts: from series of numbers to inline SVG, a sentence and a table that say the same. Pure."""
