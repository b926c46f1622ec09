"""Runs responders on this host, within its limits, and remembers what was done."""
