"""The response actions, one module each. They run on the host."""
