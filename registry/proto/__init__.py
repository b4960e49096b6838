"""The service's messages. `registry.proto` is the source; `python -m registry.proto.generate` writes the rest."""
