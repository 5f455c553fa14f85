"""What agents read, one file per area: questions to LUX's own data as aggregates, each with its evidence."""
