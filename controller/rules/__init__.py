"""Tools for the authors of rules: check, show, format, compare and test rules files."""
