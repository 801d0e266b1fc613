"""The half of the benchmark that runs inside the machine that is measured."""
