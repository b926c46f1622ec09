"""What the controller remembers: hosts, releases, deployments, alerts, actions.

Open it with ``Store.open(Home.open())``; work in ``with store.write() as tx:`` or
``with store.read() as tx:``, and give ``tx`` to the functions of the modules
``hosts``, ``releases``, ``alerts`` and ``actions``, which take and return plain records.
"""

from controller.store.database import Store

__all__ = ["Store"]
