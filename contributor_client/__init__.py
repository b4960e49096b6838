"""A contributor's node: the Flower client side, the worker with the data and the GPU, and the node's commands."""
