"""What the controller runs on a host to put the agent there. Standard library only."""
