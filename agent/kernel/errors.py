"""What can go wrong when capture begins: one message each, with the fix.

::

    CaptureError
    ├── KernelError      this kernel or this machine cannot do it
    └── VerifierError    the kernel refused a program
"""

from __future__ import annotations


class CaptureError(RuntimeError):
    """Capture cannot begin or go on. The text names the fix."""


class KernelError(CaptureError):
    """The kernel or the machine lacks what capture needs."""


class VerifierError(CaptureError):
    """The kernel refused a program; ``log`` is the verifier's text."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log
