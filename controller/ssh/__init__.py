"""Reaching hosts: one SSH connection for each, with the host's key checked always."""

from controller.ssh.link import Answer, Link
from controller.ssh.session import Result, Session, connect

__all__ = ["Answer", "Link", "Result", "Session", "connect"]
