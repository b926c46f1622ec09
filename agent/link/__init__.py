"""The host end of the controller's connection: ``tercel-agent link`` (docs/protocol.md).

A verb is a function in a table; each room that answers verbs offers its own table, and
:func:`agent.link.verbs.table` joins them.
"""
