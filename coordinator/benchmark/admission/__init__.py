"""The attack benchmark of admission: attacks on a finished round, the checks, and the averages that result."""
