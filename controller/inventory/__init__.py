"""The inventory: which hosts there are, in which groups, with which variables. Ansible's YAML, as it is."""

from controller.inventory.model import Connection, Host, Inventory
from controller.inventory.pattern import select
from controller.inventory.reader import default_path, load

__all__ = ["Connection", "Host", "Inventory", "default_path", "load", "select"]
