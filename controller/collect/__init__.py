"""The way up: alerts from hosts into the store, exactly once, and the actions that they lead to."""
