"""Looking at hosts and putting the agent on them."""
