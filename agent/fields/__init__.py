"""The field catalogue: every field and event type with its type and source."""
