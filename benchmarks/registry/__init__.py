"""The registry's speed: questions to a long history, publishing from several processes, large models on the wire."""
