"""Making releases: rules, playbooks and a configuration for each host, checked and kept."""

from controller.release.build import Sources, build
from controller.release.shelf import Shelf

__all__ = ["Shelf", "Sources", "build"]
