"""`headrace bench`: measured on this machine, in one run, with every cell compared.

setting    what is measured, at which size          machine    where (headrace.machine)
systems    the engine's modes and the baselines     works      the workloads, by name
sections/  a measurement each: records and tables   run        all of them, workload by workload
equality   which cells were compared with which     figures    what is to be reached
report     records, tables, figures in one place    page, plots, cli   how it is told
"""
