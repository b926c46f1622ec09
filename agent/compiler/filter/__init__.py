"""The kernel filter: what eBPF can decide of the rules' conditions, so that other events never leave the kernel."""
