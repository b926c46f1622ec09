"""The running agent: one loop that reads events, matches them and hands alerts on."""
