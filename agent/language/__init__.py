"""The Falco rule language: text to typed rules, or diagnostics with file, line and column. No I/O."""
