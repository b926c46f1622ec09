"""Live capture: BTF, probe sources, loader and ring reader."""
