"""The kernel filter: what eBPF can decide of conditions, so that other events never leave the kernel."""
