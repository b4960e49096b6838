"""Versions that leave a registry and come back: bundles, backups, and folders that other software reads."""
