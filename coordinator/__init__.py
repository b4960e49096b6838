"""Runs rounds: the Flower server side, its dispatcher, rehearsal and commands; works where torch is absent."""
