"""Text patterns of the rule language, all without backtracking: globs, path prefixes, regular expressions."""
