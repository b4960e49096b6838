"""Analyses of a round's counts: tables with intervals, verdicts, figures. They read facts and train nothing."""
