"""Typed rules to executable form: Python predicates and the kernel filter. Text in, text out."""
