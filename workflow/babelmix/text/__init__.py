"""Pure functions over texts that several stations share."""
