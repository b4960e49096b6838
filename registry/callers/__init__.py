"""Helpers of callers, built on a registry's services: signed changes, a whole audit, and ancestors of a version."""
