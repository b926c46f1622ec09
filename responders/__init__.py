"""The response actions, one module each. They run on the host.

A responder is a module with a ``DESCRIPTION`` and the functions of
:class:`responders.shape.Responder`. :mod:`responders.registry` finds it by name.
"""
