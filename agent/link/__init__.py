"""The host end of the connection to the controller."""
