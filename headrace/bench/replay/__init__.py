"""`headrace bench replay`: replay and what one would write in its place, in one run on this machine.

setting, logs    at which size, over which logs       systems   who is timed, and how it is started
run, compare     each in its own process; each cell against ours and a sample against the reference
figures          what is to be reached                told, page, plot, cli   how it is told
"""
