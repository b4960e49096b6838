"""The services of a registry: each is a class whose public methods are its interface.

`registry.services.registry.Registry` holds them all; `registry.opening` gives one for a folder (`local`) or for an
address, where clients with the same types ask over gRPC. A method declares beside its code who may call it and whether
it is slow (`method`); the wire and docs/calls.md are read from there, and nothing checks the role yet. Modules here
import no database at their top: a client needs the signatures only, and a plain installation has no SQLAlchemy.
"""
