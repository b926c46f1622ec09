"""What ``make demo`` shows, on simulated hosts that the fleet tests use as well."""
