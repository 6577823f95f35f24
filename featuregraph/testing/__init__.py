"""What tests and measurements of executors share: cases, clocks, random graphs and logs, workloads."""
