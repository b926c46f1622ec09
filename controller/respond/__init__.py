"""From an alert to an action: playbooks, decisions, and seeing each action through to its end."""
