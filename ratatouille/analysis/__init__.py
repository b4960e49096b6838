"""What the counts of a round say: tables with their noise, verdicts, figures. Reads facts, trains nothing."""
