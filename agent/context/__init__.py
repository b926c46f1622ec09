"""What an event does not carry: users, containers, process history."""
