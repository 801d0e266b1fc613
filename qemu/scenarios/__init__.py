"""The end-to-end tests; what each proves is the first line of its function."""
