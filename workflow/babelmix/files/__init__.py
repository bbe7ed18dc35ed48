"""Files of others: rows of any shape and packing, sheets that people fill in."""
