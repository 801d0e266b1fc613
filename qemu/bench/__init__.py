"""The benchmark: the driver, its rivals and what bounds them, side by side in one kernel. docs/performance.md tells more."""
