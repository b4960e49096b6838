"""The coordinator: Flower's server side, dispatch, rehearsal and commands of rounds. It works where torch is absent."""
