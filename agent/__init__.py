"""The host side of tercel: capture, detect, alert, respond."""

__version__ = "0.1.0"
